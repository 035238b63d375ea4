"""The corpora `json-lines` and `csv`: texts in lines of JSON, or in rows of a table."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from seqforge.errors import DataError
from seqforge_essentials.archives import open_file
from seqforge_essentials.corpora import Files
from seqforge_essentials.records import RecordFiles, TextField, Where

_LONGEST_LINE = 1 << 28
"""Size limit of a line in bytes, and of a cell of a table in characters."""


class JsonLines(RecordFiles):
    """The texts in files in the format JSON Lines (https://jsonlines.org): each line is an object with a text.

    The name of a document is that of its file with the number of its line, such as `posts.jsonl:12`. Empty texts are
    skipped. The files may be compressed, as those of `text`.
    """

    unit = "line"

    def _records(self, path: Path, columns: list[str]) -> Iterator[tuple[int, Any]]:
        """Yield the object of every line that is not blank."""
        with open_file(path) as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE + 1), b""), start=1):
                if len(line) > _LONGEST_LINE:
                    raise DataError(
                        f"{path}, line {number}: it has more than {_LONGEST_LINE >> 20} MiB",
                        hint="Is this a file in the format JSON Lines?",
                    )
                if not line.strip():
                    continue
                try:
                    yield number, json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise DataError(
                        f"{path}, line {number}: not JSON ({error})",
                        hint='Each line must be one JSON object, such as {"text": "…"}.',
                    ) from error


class CsvFiles(RecordFiles):
    """The texts in a column of tables in the format CSV (RFC 4180) in UTF-8, whose first row has the names.

    The name of a document is that of its file with the number of its row, such as `posts.csv:12`. All values of
    `where` are texts. The files may be compressed, as those of `text`.
    """

    def __init__(
        self,
        files: Files,
        field: TextField = "text",
        where: Where = None,
        delimiter: Annotated[str, Field(description="Character between two cells.", min_length=1, max_length=1)] = ",",
    ) -> None:
        super().__init__(files, field, {key: str(value) for key, value in (where or {}).items()})
        self._delimiter = delimiter

    def _records(self, path: Path, columns: list[str]) -> Iterator[tuple[int, Any]]:
        """Yield every row, by the names of its columns."""
        # The limit of the library is one for the process, and smaller than many texts.
        csv.field_size_limit(_LONGEST_LINE)
        with open_file(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, delimiter=self._delimiter, strict=True)
            try:
                yield from enumerate(rows, start=1)
            except (csv.Error, UnicodeDecodeError) as error:
                raise DataError(
                    f"{path}, line {rows.line_num + 1}: not a table in CSV ({error})",
                    hint="Is it in UTF-8, with the `delimiter` of the experiment?",
                ) from error

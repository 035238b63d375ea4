"""The corpus `json-lines`: a document in each line of files in the format JSON Lines."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, cast

from pydantic import Field

from seqforge.errors import DataError, describe_type, nearest
from seqforge.kinds import Document
from seqforge_essentials.corpora import FileCorpus, Files, open_file

_LONGEST_LINE = 1 << 28
"""Size limit of a line in bytes."""


class JsonLines(FileCorpus):
    """The texts in files in the format JSON Lines (https://jsonlines.org): each line is an object with a text.

    The name of a document is that of its file with the number of its line, such as `posts.jsonl:12`. Empty texts are
    skipped. The files may be compressed, as those of `text`.
    """

    def __init__(
        self,
        files: Files,
        field: Annotated[str, Field(description="Key of the text, with points for nested objects.")] = "text",
        where: Annotated[
            dict[str, str | bool | int | float] | None,
            Field(description="Values of other keys: lines with other values are skipped."),
        ] = None,
    ) -> None:
        super().__init__(files)
        self._field = field
        self._where = where or {}

    def documents(self) -> Iterator[Document]:
        """Yield the text of every line, in the order of the paths.

        Raises:
            DataError: If a pattern matches no file, a file cannot be read, a line is no JSON object, or it has no text.
        """
        found = False
        for name, path in self.files.items():
            with open_file(path) as file:
                for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE + 1), b""), start=1):
                    if text := self._read(line, f"{path}, line {number}"):
                        found = True
                        yield Document(f"{name}:{number}", text)
        if not found:
            raise DataError(
                f"no line of {', '.join(map(str, self.files.values()))} has a text with {self._where or self._field}",
                hint="Check corpus.where and corpus.field.",
            )

    def _read(self, line: bytes, place: str) -> bytes | None:
        """Return the text of a line in UTF-8, or None if the line is skipped."""
        if len(line) > _LONGEST_LINE:
            raise DataError(
                f"{place}: it has more than {_LONGEST_LINE >> 20} MiB",
                hint="Is this a file in the format JSON Lines?",
            )
        if not line.strip():
            return None
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{place}: not JSON ({error})", hint='Each line must be one JSON object, such as {"text": "…"}.'
            ) from error
        if any(_value(record, key, place) != value for key, value in self._where.items()):
            return None
        text = _value(record, self._field, place)
        if not isinstance(text, str):
            raise DataError(
                f"{place}: {self._field!r} is {describe_type(text)}, not text", hint="Name another key in corpus.field."
            )
        return text.encode("utf-8", "replace")  # JSON may contain half of a surrogate pair


def _value(record: Any, key: str, place: str) -> Any:
    """Return the value of a key, whose points lead into nested objects.

    Raises:
        DataError: If there is none.
    """
    value = record
    for part in key.split("."):
        if not isinstance(value, dict):
            raise DataError(f"{place}: {describe_type(value)} where an object is expected", hint=f"The key is {key!r}.")
        table = cast("dict[str, Any]", value)
        if part not in table:
            match = nearest(part, list(table))
            hint = f"Did you mean {match!r}?" if match else f"It has: {', '.join(list(table)[:20])}."
            raise DataError(f"{place}: there is no key {key!r}", hint=hint)
        value = table[part]
    return value

"""Corpora of records: one key of each line of JSON, row of a table, or row of a data set is the text of a document."""

import csv
import io
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, cast

from pydantic import Field

from seqforge.errors import DataError, describe_type, import_library, nearest
from seqforge.events import Report
from seqforge.kinds import Corpus, Document
from seqforge_essentials.archives import open_file
from seqforge_essentials.corpora import FileCorpus, Files

TextField = Annotated[str, Field(description="Key of the text, with points for nested objects.")]
"""Option of a corpus of records."""

Where = Annotated[
    dict[str, str | bool | int | float] | None,
    Field(description="Values of other keys: records with other values are skipped."),
]
"""Option of a corpus of records."""


class RecordReader:
    """The key of the text in records, and the values that other keys must have."""

    def __init__(self, field: str, where: Mapping[str, Any] | None) -> None:
        self._field = field
        self._where = where or {}

    @property
    def columns(self) -> list[str]:
        """The outermost keys that are read."""
        return sorted({key.partition(".")[0] for key in (self._field, *self._where)})

    def read(self, records: Iterator[tuple[int, Any]], source: str, unit: str, name: str) -> Iterator[Document]:
        """Yield the texts of records that are chosen and not empty, with this name and the number of the record.

        Errors name the source of the records, and call one by its unit, such as "row".

        Raises:
            DataError: If a record has no text.
        """
        for number, record in records:
            place = f"{source}, {unit} {number}"
            if all(_value(record, key, place) == value for key, value in self._where.items()):
                text = _value(record, self._field, place)
                if not isinstance(text, str):
                    raise DataError(
                        f"{place}: {self._field!r} is {describe_type(text)}, not text",
                        hint="Name another key in corpus.field.",
                    )
                if text:
                    # JSON may contain half of a surrogate pair.
                    yield Document(f"{name}:{number}", text.encode("utf-8", "replace"))

    def require_one(self, documents: Iterator[Document], source: str) -> Iterator[Document]:
        """Yield documents.

        Raises:
            DataError: If there is none.
        """
        first = next(documents, None)
        if first is None:
            raise DataError(
                f"{source}: nothing has a text with {dict(self._where) or repr(self._field)}",
                hint="Check corpus.where and corpus.field.",
            )
        yield first
        yield from documents


class RecordFiles(FileCorpus):
    """Files of records. The name of a document is that of its file with the number of its record.

    Attributes:
        unit: What a record is called in errors.
    """

    unit: ClassVar = "row"

    def __init__(self, files: Files, field: TextField = "text", where: Where = None) -> None:
        super().__init__(files)
        self._reader = RecordReader(field, where)

    @abstractmethod
    def _records(self, path: Path, columns: list[str]) -> Iterator[tuple[int, Any]]:
        """Yield the records of a file with their numbers; at least these columns.

        Raises:
            DataError: If the file cannot be read, or has another format.
        """

    def read(self, report: Report) -> Iterator[Document]:
        """Yield the text of every record that is chosen, in the order of the paths. Empty texts are skipped.

        Raises:
            DataError: If a pattern matches no file, a file cannot be read, or no record has a text.
        """
        yield from self._reader.require_one(super().read(report), ", ".join(map(str, self.files.values())))

    def read_file(self, name: str, path: Path) -> Iterator[Document]:
        """Yield the text of every record of a file that is chosen."""
        records = self._records(path, self._reader.columns)
        return self._reader.read(records, str(path), self.unit, name)


def _value(record: Any, key: str, place: str) -> Any:
    """Return the value of a key, whose points lead into nested objects.

    Raises:
        DataError: If there is none.
    """
    value = record
    is_column = isinstance(record, dict) and key in record  # whose name may have points
    for part in [key] if is_column else key.split("."):
        if not isinstance(value, dict):
            raise DataError(f"{place}: {describe_type(value)} where an object is expected", hint=f"The key is {key!r}.")
        table = cast("dict[str, Any]", value)
        if part not in table:
            match = nearest(part, list(table))
            hint = f"Did you mean {match!r}?" if match else f"It has: {', '.join(list(table)[:20])}."
            raise DataError(f"{place}: there is no key {key!r}", hint=hint)
        value = table[part]
    return value


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
    `where` are texts: a boolean is `true` or `false`, in any case. The files may be compressed, as those of `text`.
    """

    def __init__(
        self,
        files: Files,
        field: TextField = "text",
        where: Where = None,
        delimiter: Annotated[str, Field(description="Character between two cells.", pattern=r'^[^"\r\n]$')] = ",",
    ) -> None:
        texts = {key: str(value) for key, value in (where or {}).items()}
        self._booleans = [key for key, value in (where or {}).items() if isinstance(value, bool)]
        super().__init__(files, field, {**texts, **{key: texts[key].lower() for key in self._booleans}})
        self._delimiter = delimiter

    def _records(self, path: Path, columns: list[str]) -> Iterator[tuple[int, Any]]:
        """Yield every row, by the names of its columns."""
        # The limit of the library is one for the process, and smaller than many texts.
        csv.field_size_limit(_LONGEST_LINE)
        with open_file(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as lines:
            rows = csv.DictReader(_bounded(lines), delimiter=self._delimiter, strict=True)
            try:
                for number, row in enumerate(rows, start=1):
                    if None in row:  # the cells beyond those of the first row
                        raise csv.Error("it has more cells than the first row")
                    yield number, row | {key: row[key].lower() for key in self._booleans if row.get(key)}
            except (csv.Error, UnicodeDecodeError) as error:
                raise DataError(
                    f"{path}, line {rows.line_num + 1}: not a table in CSV ({error})",
                    hint="Is it in UTF-8, with the `delimiter` of the experiment?",
                ) from error


def _bounded(lines: io.TextIOWrapper) -> Iterator[str]:
    """Yield lines, and raise a `csv.Error` if one has more than `_LONGEST_LINE` characters."""
    while line := lines.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise csv.Error(f"it has more than {_LONGEST_LINE:,} characters")
        yield line


_LARGEST_GROUP = 2 << 30
"""Size limit of the columns that are read of one row group, in bytes."""

_ROWS = 1024
"""Number of rows that are converted at once."""


class ParquetFiles(RecordFiles):
    """The texts in a column of files in the format Parquet (https://parquet.apache.org), by the library pyarrow.

    The name of a document is that of its file with the number of its row, such as `posts.parquet:12`. One row group is
    in memory at a time, and only the columns that are used.
    """

    def _records(self, path: Path, columns: list[str]) -> Iterator[tuple[int, Any]]:
        """Yield every row, by the names of its columns."""
        arrow = import_library("pyarrow.parquet", "seqforge-essentials[parquet]")
        number = 0
        try:
            with arrow.ParquetFile(path) as file:
                # If a column is missing, an error about the first row lists all.
                read = columns if {*columns} <= {*file.schema_arrow.names} else file.schema_arrow.names
                for group in range(file.num_row_groups):
                    _check_size(path, file.metadata.row_group(group), read)
                    for batch in file.iter_batches(_ROWS, row_groups=[group], columns=read):
                        for row in batch.to_pylist():
                            number += 1
                            yield number, row
        except (OSError, ValueError, NotImplementedError) as error:  # The errors of pyarrow derive from them.
            raise DataError(
                f"{path}, after row {number}: it cannot be read as Parquet ({error})", hint="Copy or download it again."
            ) from error


def _check_size(path: Path, group: Any, columns: list[str]) -> None:
    parts = (group.column(index) for index in range(group.num_columns))
    size = sum(part.total_uncompressed_size for part in parts if part.path_in_schema.partition(".")[0] in columns)
    if size > _LARGEST_GROUP:
        raise DataError(
            f"{path}: the columns of a row group have {size:,} bytes", hint="Write the file with smaller row groups."
        )


class HuggingFace(Corpus):
    """The texts of a data set of the Hugging Face Hub, or of a local folder in one of its formats.

    The library `datasets` reads it in a stream, so that no more is downloaded than is read, and executes no code of
    the data set. The name of a document is that of the split with the number of its row, such as `train:12`.
    """

    def __init__(
        self,
        dataset: Annotated[
            str, Field(description="Name of the data set, or path of a folder.", examples=["roneneldan/TinyStories"])
        ],
        field: TextField = "text",
        where: Where = None,
        split: Annotated[str, Field(description="Split of the data set.")] = "train",
        configuration: Annotated[
            str | None, Field(description="Configuration, of a data set that has several.")
        ] = None,
        revision: Annotated[str | None, Field(description="Branch, tag or commit on the Hub.")] = None,
    ) -> None:
        self._reader = RecordReader(field, where)
        self._split = split
        self._source = {"path": dataset, "name": configuration, "revision": revision}

    def documents(self) -> Iterator[Document]:
        """Yield the text of every row that is chosen. Empty texts are skipped.

        Raises:
            DataError: If the data set does not exist or cannot be read, or a row has no text.
        """
        rows: Iterator[Any] = iter(self._load("load_dataset", split=self._split, streaming=True))
        source = str(self._source["path"])
        texts = self._reader.read(enumerate(rows, start=1), source, "row", self._split)
        try:
            yield from self._reader.require_one(texts, source)
        except (OSError, ValueError) as error:
            raise DataError(f"the data set cannot be read to its end: {error}", hint="Start again.") from error

    def fingerprint(self) -> str:
        """Return the digest of the revision of the data set, or of the names, sizes and times of local files.

        Raises:
            DataError: If the data set does not exist or cannot be read.
        """
        builder = self._load("load_dataset_builder")
        return f"{builder.dataset_name} {builder.config_id} {builder.hash}"

    def describe(self) -> str:
        """Return the name and the split of the data set."""
        return f"{self._split} of {self._source['path']}, by the library datasets"

    def _load(self, function: str, **options: Any) -> Any:
        library = import_library("datasets", "seqforge-essentials[hugging-face]")
        try:
            return getattr(library, function)(**self._source, **options)
        except (OSError, ValueError, library.exceptions.DatasetsError) as error:
            raise DataError(
                f"the data set {self._source['path']!r} cannot be read: {error}",
                hint="Check its name, configuration and split, and the connection.",
            ) from error

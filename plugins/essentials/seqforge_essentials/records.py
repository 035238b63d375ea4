"""Corpora of records, such as lines of JSON or rows of a table: one key of each record is the text of a document."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, cast

from pydantic import Field

from seqforge.errors import DataError, describe_type, nearest
from seqforge.events import Report
from seqforge.kinds import Document
from seqforge_essentials.corpora import FileCorpus, Files

TextField = Annotated[str, Field(description="Key of the text, with points for nested objects.")]
"""Option of a corpus of records."""

Where = Annotated[
    dict[str, str | bool | int | float] | None,
    Field(description="Values of other keys: records with other values are skipped."),
]
"""Option of a corpus of records."""


class RecordReader:
    """The choice of records and of the key of their text.

    Args:
        field: Key of the text.
        where: Values that other keys must have.
    """

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

"""A corpus of JSON Lines: one JSON value in each line of a file."""

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field
from seqforge.errors import DataError
from seqforge.kinds import Corpus, Document, ExperimentPath


class JsonValues(Corpus):
    """A file of JSON Lines. Each line is a document: the JSON itself, or the text in one of its fields."""

    def __init__(
        self,
        file: Annotated[ExperimentPath, Field(description="The file, relative to the experiment file.")],
        field: Annotated[str | None, Field(description="Field that holds text; by default, all JSON.")] = None,
    ) -> None:
        self.file = file
        self.field = field

    def documents(self) -> Iterator[Document]:
        """Yield the lines in order. Blank lines are skipped."""
        found = False
        try:
            with self.file.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        found = True
                        yield Document(f"line-{number:08}", f"{self._text(line, number)}\n".encode())
        except OSError as error:
            raise self._unreadable(error) from error
        if not found:
            raise DataError(f"{self.file} has no line", hint="Write one JSON value in each line.")

    def fingerprint(self) -> str:
        """Return a digest of the file and the field."""
        try:
            with self.file.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise self._unreadable(error) from error
        return f"{digest} {self.field}"

    def describe(self) -> str:
        """Return one line for the user."""
        return f"JSON Lines of {self.file}" + (f", field {self.field!r}" if self.field else "")

    def _text(self, line: bytes, number: int) -> str:
        try:
            value: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self.file}, line {number}: it is not JSON: {error}", hint="Correct the line.") from error
        if self.field is None:
            return json.dumps(value, ensure_ascii=False)
        text: Any = value.get(self.field) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(text, str):
            raise DataError(
                f"{self.file}, line {number}: it has no text in the field {self.field!r}",
                hint="Set corpus.field to a field that every line has, or leave it out.",
            )
        return text

    def _unreadable(self, error: OSError) -> DataError:
        return DataError(f"{self.file} cannot be read: {error.strerror}", hint="Set corpus.file to a file.")

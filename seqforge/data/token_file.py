"""An encoded corpus on disk and its reading: the tokens of all documents, and an index of them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, PlainSerializer, PlainValidator, TypeAdapter

from seqforge.faults import component_fault
from seqforge.kinds import Vocabulary
from seqforge.kinds.vocabulary import size_fault
from seqforge.storage.records import DamagedFileError, Record

TOKENS, INDEX, VOCABULARY = "tokens.bin", "documents.json", "vocabulary.json"

Tokens = NDArray[np.unsignedinteger[Any]]


def array_field(largest: int, dtype: type[np.integer[Any]]) -> tuple[PlainValidator, PlainSerializer]:
    """Return the validator and the serializer of an array of integers below `largest`, which a file has as a list."""
    numbers = TypeAdapter(list[Annotated[int, Field(ge=0, lt=largest)]], config=ConfigDict(strict=True))

    def validate(values: Any) -> NDArray[Any]:
        is_array = isinstance(values, np.ndarray)
        return cast("Any", values) if is_array else np.asarray(numbers.validate_python(values), dtype=dtype)

    return PlainValidator(validate), PlainSerializer(np.ndarray.tolist)


def type_field(*names: str) -> tuple[PlainValidator, PlainSerializer]:
    """Return how a record holds the type of an array: as one of these names."""

    def validate(value: Any) -> np.dtype[Any]:
        name = value.name if isinstance(value, np.dtype) else value
        if name not in names:
            raise ValueError(f"it must be one of {', '.join(names)}")
        return np.dtype(name)

    return PlainValidator(validate), PlainSerializer(lambda dtype: dtype.name)


Positions = Annotated[NDArray[np.int64], *array_field(2**63, np.int64)]
"""For each entry, the number of tokens, steps or bytes before a place in a file."""


class IndexRecord(Record):
    """A record with an entry for every document or example, so that its size is that of the corpus.

    Attributes:
        folder: Folder of this file, of those that it describes, and of `vocabulary.json`.
    """

    MAXIMUM_SIZE: ClassVar[int] = 1 << 32
    MAXIMUM_ENTRIES: ClassVar[int] = 1 << 28

    folder: Annotated[Path, Field(exclude=True)]


def measure_file(path: Path) -> int:
    """Return the size of a file in bytes.

    Raises:
        DamagedFileError: If it is missing or may not be read.
    """
    try:
        return path.stat().st_size
    except OSError as error:
        raise DamagedFileError(path, error.strerror or str(error)) from error


@dataclass(frozen=True, slots=True)
class MappedTokens:
    """The tokens of a corpus in a mapped file. The integer width may differ between documents.

    Attributes:
        index: Index of the tokens.
        content: Mapped file, uint8.
    """

    index: "TokenFile"
    content: NDArray[np.uint8]

    def read(self, start: int = 0, stop: int | None = None) -> Tokens:
        """Read consecutive tokens `[stop - start]`, by default all; they may span several documents.

        The result may be a view of the file, which is read-only.
        """
        stop = self.index.length if stop is None else stop
        parts: list[Tokens] = []
        document = int(np.searchsorted(self.index.stops, start, side="right"))
        while start < stop:
            stop_here = min(stop, int(self.index.stops[document]))
            parts.append(self._read_document(document, start, stop_here))
            start = stop_here
            document += 1
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _read_document(self, document: int, start: int, stop: int) -> Tokens:
        stops, ends, ids = self.index.stops, self.index.ends, self.index.ids
        first, begin = (int(stops[document - 1]), int(ends[document - 1])) if document else (0, 0)
        width = (int(ends[document]) - begin) // (int(stops[document]) - first)
        codes = self.content[begin + (start - first) * width : begin + (stop - first) * width].view(f"u{width}")
        return codes if ids is None else ids[codes]


class TokenFile(IndexRecord):
    """An encoded corpus, and the content of its `documents.json`. The tokens stay on disk.

    Attributes:
        dtype: Smallest unsigned integer type that holds every token id.
        names: Names of the documents, in order. Consecutive documents of the same name are parts of one.
        stops: For each document, the index after its last token; ascending.
        ends: For each document, the index after its last byte in `tokens.bin`; ascending. Each document has its own
            integer width.
        characters: Length of each document in characters.
        sizes: Length of each document in bytes of UTF-8.
        codes: Code of each token id in `tokens.bin`, ascending; None if the file contains token ids.
        digest: Digest of tokens, names and vocabulary. Two files with the same digest train the same model.
    """

    VERSION = 4

    dtype: Annotated[np.dtype[np.unsignedinteger[Any]], *type_field("uint8", "uint16", "uint32", "uint64")]
    names: list[str]
    stops: Positions
    ends: Positions
    characters: Positions
    sizes: Positions
    codes: Annotated[NDArray[np.uint32], *array_field(2**32, np.uint32)] | None
    digest: str

    @property
    def length(self) -> int:
        """Total number of tokens."""
        return int(self.stops[-1])

    def map(self) -> MappedTokens:
        """Map the tokens into memory, read-only.

        Use a new mapping for each read: the pages of a mapping that is kept count as memory of the process, which would
        then appear to grow with the corpus.
        """
        return MappedTokens(self, np.asarray(np.memmap(self.folder / TOKENS, dtype=np.uint8, mode="r")))

    @cached_property
    def ids(self) -> Tokens | None:
        """Token id of each code; None if the file contains token ids."""
        if self.codes is None:
            return None
        ids = np.zeros(int(self.codes[-1]) + 1, dtype=self.dtype)
        ids[self.codes] = np.arange(len(self.codes), dtype=self.dtype)
        return ids

    @classmethod
    def open(cls, folder: Path) -> "TokenFile":
        """Open an encoded corpus.

        Raises:
            DamagedFileError: If it is damaged, or its format version is unknown.
        """
        file = cls.read(folder / INDEX, folder=folder)
        if not file._is_consistent():
            raise DamagedFileError(folder / INDEX, "damaged: its entries do not fit together, or not the tokens")
        return file

    def _is_consistent(self) -> bool:
        """Return whether the entries of an index agree with each other and with the size of the tokens."""
        counts = {*map(len, (self.stops, self.ends, self.characters, self.sizes))}
        if not self.names or counts != {len(self.names)}:
            return False
        if measure_file(self.folder / TOKENS) != self.ends[-1]:
            return False
        lengths, sizes = np.diff(self.stops, prepend=0), np.diff(self.ends, prepend=0)
        if (lengths <= 0).any() or (sizes % lengths).any():
            return False
        widths = sizes // lengths
        if self.codes is None:
            return bool((widths == self.dtype.itemsize).all())
        if len(self.codes) == 0 or (self.codes[1:] <= self.codes[:-1]).any():
            return False
        return self.dtype == np.min_scalar_type(len(self.codes) - 1) and bool(np.isin(widths, (1, 2, 4, 8)).all())


def token_type(vocabulary: Vocabulary) -> np.dtype[np.unsignedinteger[Any]]:
    """Return the smallest unsigned integer type that holds every token id of a vocabulary after learning.

    Raises:
        PluginError: If the size of the vocabulary is not a number of symbols.
    """
    if fault := size_fault(vocabulary):
        raise component_fault(vocabulary, fault)
    return np.min_scalar_type(max(vocabulary.size - 1, 0))


def count_characters(content: bytes) -> int:
    """Count the characters that begin in UTF-8 text, which may be cut inside of a character."""
    # Every UTF-8 character has exactly one byte that is not a continuation byte (0b10xxxxxx).
    if content.isascii():
        return len(content)
    codes = np.frombuffer(content, dtype=np.uint8)
    return int(np.count_nonzero((codes & 0xC0) != 0x80))

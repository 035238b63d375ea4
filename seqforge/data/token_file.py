"""The format of an encoded corpus on disk: the tokens of all documents, and an index of the documents."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqforge.storage.records import DamagedFileError, Record

TOKENS, INDEX, VOCABULARY = "tokens.bin", "documents.json", "vocabulary.json"

_WIDTHS = (1, 2, 4, 8)

Tokens = NDArray[np.unsignedinteger[Any]]


Position = Annotated[int, Field(ge=0, lt=2**63)]
"""Number of tokens, steps or bytes before a place in a file."""


class IndexRecord(Record):
    """A record with an entry for every document or example, so that its size is that of the corpus."""

    MAXIMUM_SIZE: ClassVar[int] = 1 << 32
    MAXIMUM_ENTRIES: ClassVar[int] = 1 << 28


def measure_file(path: Path) -> int:
    """Return the size of a file in bytes.

    Raises:
        DamagedFileError: If it is missing or may not be read.
    """
    try:
        return path.stat().st_size
    except OSError as error:
        raise DamagedFileError(path, error.strerror or str(error)) from error


class TokenIndex(IndexRecord):
    """The content of `documents.json`; see `TokenFile`."""

    VERSION = 3

    dtype: Literal["uint8", "uint16", "uint32", "uint64"]
    names: list[str]
    stops: list[Position]
    ends: list[Position]
    characters: list[Position]
    codes: list[Annotated[int, Field(ge=0, lt=2**32)]] | None
    digest: str


@dataclass(frozen=True, slots=True)
class MappedTokens:
    """The tokens of a corpus in a mapped file. The integer width may differ between documents.

    Attributes:
        content: Mapped file, uint8.
        stops: For each document, the index after its last token, int64.
        ends: For each document, the index after its last byte in the file, int64.
        ids: Token id of each code, or None if the file contains token ids.
    """

    content: NDArray[np.uint8]
    stops: NDArray[np.int64]
    ends: NDArray[np.int64]
    ids: Tokens | None

    def read(self, start: int = 0, stop: int | None = None) -> Tokens:
        """Read consecutive tokens `[stop - start]`, by default all; they may span several documents.

        The result may be a view of the file, which is read-only.
        """
        stop = int(self.stops[-1]) if stop is None else stop
        parts: list[Tokens] = []
        document = int(np.searchsorted(self.stops, start, side="right"))
        while start < stop:
            stop_here = min(stop, int(self.stops[document]))
            parts.append(self._read_document(document, start, stop_here))
            start = stop_here
            document += 1
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _read_document(self, document: int, start: int, stop: int) -> Tokens:
        first, begin = (int(self.stops[document - 1]), int(self.ends[document - 1])) if document else (0, 0)
        width = (int(self.ends[document]) - begin) // (int(self.stops[document]) - first)
        codes = self.content[begin + (start - first) * width : begin + (stop - first) * width].view(f"u{width}")
        return codes if self.ids is None else self.ids[codes]


@dataclass(frozen=True)
class TokenFile:
    """An encoded corpus. The tokens stay on disk and are mapped into memory for each read.

    Attributes:
        folder: Folder of `tokens.bin`, `documents.json` and `vocabulary.json`.
        dtype: Smallest unsigned integer type that holds every token id.
        names: Names of the documents, in order.
        stops: For each document, the index after its last token; ascending, int64.
        ends: For each document, the index after its last byte in `tokens.bin`; ascending, int64. Each document has its
            own integer width.
        characters: Length of each document in characters, int64.
        codes: Code of each token id in `tokens.bin`, ascending, uint32; None if the file contains token ids.
        digest: Digest of tokens, names and vocabulary. Two files with the same digest train the same model.
    """

    folder: Path
    dtype: np.dtype[np.unsignedinteger[Any]]
    names: list[str]
    stops: NDArray[np.int64]
    ends: NDArray[np.int64]
    characters: NDArray[np.int64]
    codes: NDArray[np.uint32] | None
    digest: str

    @property
    def length(self) -> int:
        """Total number of tokens."""
        return int(self.stops[-1])

    @property
    def vocabulary(self) -> Path:
        """Path of the vocabulary's state."""
        return self.folder / VOCABULARY

    def map(self) -> MappedTokens:
        """Map the tokens into memory, read-only.

        Use a new mapping for each read: the pages of a mapping that is kept count as memory of the process, which would
        then appear to grow with the corpus.
        """
        content = np.asarray(np.memmap(self.folder / TOKENS, dtype=np.uint8, mode="r"))
        return MappedTokens(content, self.stops, self.ends, self._ids)

    @cached_property
    def _ids(self) -> Tokens | None:
        if self.codes is None:
            return None
        ids = np.zeros(int(self.codes[-1]) + 1, dtype=self.dtype)
        ids[self.codes] = np.arange(len(self.codes), dtype=self.dtype)
        return ids

    def write_index(self) -> None:
        """Write `documents.json`."""
        TokenIndex(
            dtype=self.dtype.name,  # pyright: ignore[reportArgumentType] - pydantic checks it
            names=self.names,
            stops=self.stops.tolist(),
            ends=self.ends.tolist(),
            characters=self.characters.tolist(),
            codes=None if self.codes is None else self.codes.tolist(),
            digest=self.digest,
        ).write(self.folder / INDEX)

    @classmethod
    def open(cls, folder: Path) -> "TokenFile":
        """Open an encoded corpus.

        Raises:
            DamagedFileError: If it is damaged, or its format version is unknown.
        """
        index = TokenIndex.read(folder / INDEX)
        stops, ends, characters = (
            np.asarray(values, dtype=np.int64) for values in (index.stops, index.ends, index.characters)
        )
        codes = None if index.codes is None else np.asarray(index.codes, dtype=np.uint32)
        file = cls(folder, np.dtype(index.dtype), index.names, stops, ends, characters, codes, index.digest)
        if not file._is_consistent():
            raise DamagedFileError(folder / INDEX, "damaged: its entries do not fit together, or not the tokens")
        return file

    def _is_consistent(self) -> bool:
        """Return whether the entries of an index agree with each other and with the size of the tokens."""
        if not self.names or {len(self.stops), len(self.ends), len(self.characters)} != {len(self.names)}:
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
        return self.dtype == np.min_scalar_type(len(self.codes) - 1) and bool(np.isin(widths, _WIDTHS).all())

"""The format of an encoded corpus on disk: the tokens of all documents, and an index of the documents."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.errors import DataError

FORMAT_VERSION = 2
TOKENS, INDEX, VOCABULARY = "tokens.bin", "documents.json", "vocabulary.json"

_WIDTHS = (1, 2, 4, 8)

Tokens = NDArray[np.unsignedinteger[Any]]


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
        index = {
            "version": FORMAT_VERSION,
            "dtype": self.dtype.name,
            "names": self.names,
            "stops": self.stops.tolist(),
            "ends": self.ends.tolist(),
            "characters": self.characters.tolist(),
            "codes": None if self.codes is None else self.codes.tolist(),
            "digest": self.digest,
        }
        (self.folder / INDEX).write_text(json.dumps(index), encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> "TokenFile":
        """Open an encoded corpus.

        Raises:
            DataError: If it is damaged, or its format version is unknown.
        """
        damaged = DataError(
            f"{folder}: the encoded corpus is incomplete or damaged",
            hint="Delete the folder. The next run encodes the corpus again.",
        )
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            if index["version"] != FORMAT_VERSION:
                raise damaged
            stops, ends, characters = (
                np.asarray(index[key], dtype=np.int64) for key in ("stops", "ends", "characters")
            )
            codes = None if index["codes"] is None else np.asarray(index["codes"], dtype=np.uint32)
            dtype = np.dtype(str(index["dtype"]))
            file = cls(folder, dtype, list(index["names"]), stops, ends, characters, codes, str(index["digest"]))
            whole = (folder / TOKENS).stat().st_size == ends[-1] and file._is_consistent()
        except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError) as error:
            raise damaged from error
        if not whole:
            raise damaged
        return file

    def _is_consistent(self) -> bool:
        """Return whether the entries of an index agree with each other."""
        shapes = {self.stops.shape, self.ends.shape, self.characters.shape}
        if shapes != {(len(self.names),)}:
            return False
        lengths, sizes = np.diff(self.stops, prepend=0), np.diff(self.ends, prepend=0)
        if (lengths <= 0).any() or (sizes % lengths).any():
            return False
        widths = sizes // lengths
        if self.codes is None:
            return self.dtype.kind == "u" and bool((widths == self.dtype.itemsize).all())
        if self.codes.ndim != 1 or len(self.codes) == 0 or (self.codes[1:] <= self.codes[:-1]).any():
            return False
        return self.dtype == np.min_scalar_type(len(self.codes) - 1) and bool(np.isin(widths, _WIDTHS).all())

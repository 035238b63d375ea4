"""A corpus as tokens on disk: documents one behind the other, and where each ends."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.data.mapped_tokens import MappedTokens, Tokens
from seqforge.errors import DataError

FORMAT_VERSION = 2
TOKENS, INDEX, VOCABULARY = "tokens.bin", "documents.json", "vocabulary.json"

_WIDTHS = (1, 2, 4, 8)


@dataclass(frozen=True)
class TokenFile:
    """An encoded corpus; its tokens stay on disk and are mapped into memory as they are read.

    Attributes:
        folder: Holds `tokens.bin`, `documents.json` and `vocabulary.json`.
        dtype: The smallest unsigned integer that holds the vocabulary.
        names: The documents' names, in order.
        stops: For each document, the index one past its last token; ascending, int64.
        ends: The same in bytes of `tokens.bin`, where each document has a width of its own; ascending, int64.
        characters: For each document, its length in characters, int64.
        codes: What stands in `tokens.bin` for each token id, ascending, uint32; None where it is the id itself.
        digest: Of tokens and names: two files with the same digest train the same model.
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
        """Tokens in all."""
        return int(self.stops[-1])

    @property
    def vocabulary(self) -> Path:
        """The file of what the vocabulary learnt."""
        return self.folder / VOCABULARY

    def map(self) -> MappedTokens:
        """Map the tokens into memory, read-only.

        A mapping is made for each read and dropped after it: pages of a mapping that stays count as the process's
        memory, and would make it appear to grow with the corpus.
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

        Args:
            folder: Where it is.

        Raises:
            DataError: Where it is damaged, or of a version this program does not know.
        """
        damaged = DataError(f"{folder}: not a whole encoded corpus", hint="Delete the folder; it will be made anew.")
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
            whole = (folder / TOKENS).stat().st_size == ends[-1] and file._fits()
        except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
            raise damaged from error
        if not whole:
            raise damaged
        return file

    def _fits(self) -> bool:
        """Tell whether an index that was read agrees with itself."""
        if not len(self.names) == len(self.stops) == len(self.ends) == len(self.characters):
            return False
        lengths, sizes = np.diff(self.stops, prepend=0), np.diff(self.ends, prepend=0)
        if (lengths <= 0).any() or (sizes % lengths).any():
            return False
        widths = sizes // lengths
        if self.codes is None:
            return self.dtype.kind == "u" and bool((widths == self.dtype.itemsize).all())
        if len(self.codes) == 0 or (self.codes[1:] <= self.codes[:-1]).any():
            return False
        return self.dtype == np.min_scalar_type(len(self.codes) - 1) and bool(np.isin(widths, _WIDTHS).all())

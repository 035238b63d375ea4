"""A corpus as tokens on disk: one flat array, and where each document ends in it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.errors import DataError

FORMAT_VERSION = 1
TOKENS, INDEX, VOCABULARY = "tokens.bin", "documents.json", "vocabulary.json"

Tokens = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, slots=True)
class TokenFile:
    """An encoded corpus; its tokens stay on disk and are mapped into memory as they are read.

    Attributes:
        folder: Holds `tokens.bin`, `documents.json` and `vocabulary.json`.
        dtype: The smallest unsigned integer that holds the vocabulary.
        names: The documents' names, in order.
        stops: For each document, the index one past its last token; ascending, int64.
        characters: For each document, its length in characters, int64.
        digest: Of tokens and names: two files with the same digest train the same model.
    """

    folder: Path
    dtype: np.dtype[np.unsignedinteger[Any]]
    names: list[str]
    stops: NDArray[np.int64]
    characters: NDArray[np.int64]
    digest: str

    @property
    def length(self) -> int:
        """Tokens in all."""
        return int(self.stops[-1])

    @property
    def vocabulary(self) -> Path:
        """The file of what the vocabulary learnt."""
        return self.folder / VOCABULARY

    def map(self) -> Tokens:
        """Map the tokens into memory, read-only.

        A mapping is made for each read and dropped after it: pages of a mapping that stays count as the process's
        memory, and would make it appear to grow with the corpus.
        """
        return np.memmap(self.folder / TOKENS, dtype=self.dtype, mode="r")

    def write_index(self) -> None:
        """Write `documents.json`."""
        index = {
            "version": FORMAT_VERSION,
            "dtype": self.dtype.name,
            "names": self.names,
            "stops": self.stops.tolist(),
            "characters": self.characters.tolist(),
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
            dtype = np.dtype(str(index["dtype"]))
            stops = np.asarray(index["stops"], dtype=np.int64)
            characters = np.asarray(index["characters"], dtype=np.int64)
            file = cls(folder, dtype, list(index["names"]), stops, characters, str(index["digest"]))
            whole = (folder / TOKENS).stat().st_size == file.length * dtype.itemsize
        except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
            raise damaged from error
        ascending = bool((np.diff(stops, prepend=0) > 0).all())
        if not (whole and ascending and dtype.kind == "u" and len(file.names) == len(stops) == len(characters)):
            raise damaged
        return file

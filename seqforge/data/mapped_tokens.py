"""Tokens of a file that is mapped into memory."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, slots=True)
class MappedTokens:
    """The tokens of a corpus, one document behind the other, each in integers of its own width.

    Attributes:
        content: The mapped file, uint8.
        stops: For each document, the index one past its last token, int64.
        ends: The same in bytes of the file, int64.
        ids: For each code the token id that it stands for; None where the file holds token ids.
    """

    content: NDArray[np.uint8]
    stops: NDArray[np.int64]
    ends: NDArray[np.int64]
    ids: Tokens | None

    def read(self, start: int = 0, stop: int | None = None) -> Tokens:
        """Read tokens in a row, in one document or across several.

        Args:
            start: Index of the first.
            stop: One past the last, greater than `start`; by default all are read.

        Returns:
            Token ids `[stop - start]`, read-only where they are the file's own.
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

"""How much of a text stands word for word in another."""

import numpy as np
from numpy.typing import NDArray

_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class Copies:
    """The stretches of a text, by hashes of 64 bits.

    Args:
        tokens: The text, at least `length` symbols.
        length: Symbols of a stretch.
    """

    def __init__(self, tokens: NDArray[np.uint8], length: int) -> None:
        self.length = length
        self._hashes = np.sort(_hashes(tokens, length))

    def share(self, texts: NDArray[np.uint8]) -> float:
        """Give the part of all symbols that are within a stretch which the text has, too.

        Args:
            texts: One in each row, all at least `length` long.
        """
        copied = 0
        for text in texts:
            hashes = _hashes(text, self.length)
            places = np.searchsorted(self._hashes, hashes).clip(max=len(self._hashes) - 1)
            # +1 where a stretch that is known begins, -1 behind its end: above 0, a symbol is in one.
            known = (self._hashes[places] == hashes).astype(np.int64)
            edges = np.zeros(len(text) + 1, dtype=np.int64)
            edges[: len(known)] += known
            edges[self.length :] -= known
            copied += int((edges.cumsum() > 0).sum())
        return copied / texts.size


def _hashes(tokens: NDArray[np.uint8], length: int) -> NDArray[np.uint64]:
    """Hash every stretch by a polynomial modulo 2⁶⁴."""
    count = len(tokens) - length + 1
    hashes = np.zeros(count, dtype=np.uint64)
    for offset in range(length):
        hashes *= _FACTOR
        hashes += tokens[offset : offset + count]
    return hashes

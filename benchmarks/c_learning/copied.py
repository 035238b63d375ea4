"""Measure the share of a text that is copied verbatim from another text."""

import numpy as np
from numpy.typing import NDArray

_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class Copies:
    """Index of all substrings of one length of a text, by hashes of 64 bits.

    Args:
        tokens: The text, with at least `length` symbols.
        length: Length of the substrings.
    """

    def __init__(self, tokens: NDArray[np.uint8], length: int) -> None:
        self.length = length
        self._hashes = np.sort(_hashes(tokens, length))

    def share(self, texts: NDArray[np.uint8]) -> float:
        """Return the share of symbols inside substrings that also occur in the indexed text.

        Args:
            texts: Texts of at least `length` symbols, `[count, symbols]`.
        """
        copied = 0
        for text in texts:
            hashes = _hashes(text, self.length)
            places = np.searchsorted(self._hashes, hashes).clip(max=len(self._hashes) - 1)
            # +1 where a known substring begins, -1 after its end. Symbols with a positive sum so far are inside one.
            known = (self._hashes[places] == hashes).astype(np.int64)
            edges = np.zeros(len(text) + 1, dtype=np.int64)
            edges[: len(known)] += known
            edges[self.length :] -= known
            copied += int((edges.cumsum() > 0).sum())
        return copied / texts.size


def _hashes(tokens: NDArray[np.uint8], length: int) -> NDArray[np.uint64]:
    """Return the polynomial hash modulo 2⁶⁴ of every substring."""
    count = len(tokens) - length + 1
    hashes = np.zeros(count, dtype=np.uint64)
    for offset in range(length):
        hashes *= _FACTOR
        hashes += tokens[offset : offset + count]
    return hashes

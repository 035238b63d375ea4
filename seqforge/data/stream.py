"""Pieces of a token file read as one long text."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from seqforge.data.splits import Spans
from seqforge.data.token_file import TokenFile


class TokenStream:
    """The concatenation of pieces of a token file.

    Args:
        token_file: Where the tokens are.
        spans: The pieces, in the order in which they are read.
    """

    def __init__(self, token_file: TokenFile, spans: Spans) -> None:
        self._token_file = token_file
        # offsets[i] is where piece i begins in the stream; the last is the stream's length.
        self._offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(spans.stops - spans.starts)])
        # What is added to a position in the stream to find it in the file, for each piece.
        self._shifts = spans.starts - self._offsets[:-1]

    def __len__(self) -> int:
        return int(self._offsets[-1])

    def read(self, starts: Iterable[int], length: int) -> NDArray[np.int64]:
        """Read stretches of equal length.

        Args:
            starts: Where in the stream each begins.
            length: Tokens of each; all of them must lie inside the stream.

        Returns:
            `[stretches, length]`.
        """
        positions = np.asarray(list(starts), dtype=np.int64)[:, None] + np.arange(length)
        pieces = np.searchsorted(self._offsets, positions, side="right") - 1
        return self._token_file.map()[positions + self._shifts[pieces]].astype(np.int64)

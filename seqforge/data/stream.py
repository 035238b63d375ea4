"""Pieces of a token file read as one long text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqforge.data.mapped_tokens import MappedTokens
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

    def read(self, starts: Sequence[int], length: int) -> NDArray[np.int64]:
        """Read stretches of equal length.

        Args:
            starts: Where in the stream each begins.
            length: Tokens of each; all of them must lie inside the stream.

        Returns:
            `[stretches, length]`.
        """
        tokens = self._token_file.map()
        stretches = np.empty((len(starts), length), dtype=np.int64)
        pieces = np.searchsorted(self._offsets, starts, side="right") - 1
        for stretch, start, piece in zip(stretches, starts, pieces.tolist(), strict=True):
            self._copy(tokens, start, piece, stretch)
        return stretches

    def _copy(self, tokens: MappedTokens, start: int, piece: int, stretch: NDArray[np.int64]) -> None:
        """Fill a stretch from the piece in which it starts and those behind it; most lie within one."""
        filled = 0
        while filled < len(stretch):
            position = start + filled
            length = min(len(stretch) - filled, int(self._offsets[piece + 1]) - position)
            where = position + int(self._shifts[piece])
            stretch[filled : filled + length] = tokens.read(where, where + length)
            filled += length
            piece += 1

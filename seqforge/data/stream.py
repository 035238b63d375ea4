"""Pieces of a token file read as one long text."""

from collections.abc import Iterable
from typing import Any

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
        self._spans = spans
        # offsets[i] is where piece i begins in the stream; the last is the stream's length.
        self._offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(spans.stops - spans.starts)])

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
        tokens: NDArray[Any] = self._token_file.map()
        positions = np.asarray(list(starts), dtype=np.int64)
        stretches = np.empty((len(positions), length), dtype=np.int64)
        pieces = np.searchsorted(self._offsets, positions, side="right") - 1
        for row, (position, piece) in enumerate(zip(positions.tolist(), pieces.tolist(), strict=True)):
            filled = 0
            while filled < length:
                start = int(self._spans.starts[piece]) + position + filled - int(self._offsets[piece])
                stop = min(int(self._spans.stops[piece]), start + length - filled)
                stretches[row, filled : filled + stop - start] = tokens[start:stop]
                filled += stop - start
                piece += 1
        return stretches

"""Batches of a text for truncated backpropagation through time.

A text is cut into rows of equal length. Every batch contains the next piece of each row, so the state of a row is
carried from each batch to the next.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from seqforge.data.splits import Mixture, Spans
from seqforge.data.token_file import MappedTokens, TokenFile
from seqforge.distribution.world import ALONE, World
from seqforge.errors import DataError
from seqforge.kinds import IGNORED_TARGET

EVALUATION_ROW = 2000
"""Minimum number of tokens in a row during evaluation, which limits the influence of the initial state."""

READ_AHEAD = 1 << 18
"""Tokens that are read from the file at once, for several steps: a read has a cost per row rather than per token."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch, with its own memory.

    Attributes:
        inputs: Input tokens `[time, batch]`.
        targets: Next tokens `[time, batch]`, or `IGNORED_TARGET` for padding.
        continues: Whether the batch follows the previous one in the text, so that the state is carried.
        starts: Whether a document starts with an input, so that the state is reset before it; None if the state is
            carried from document to document.
    """

    inputs: Int[Tensor, "time batch"]
    targets: Int[Tensor, "time batch"]
    continues: bool
    starts: Bool[Tensor, "time batch"] | None = None

    def divide(self, parts: int) -> list["Batch"]:
        """Divide the rows into several batches of equal size, for gradient accumulation."""
        if parts == 1:
            return [self]
        inputs, targets = self.inputs.chunk(parts, dim=1), self.targets.chunk(parts, dim=1)
        starts = [None] * parts if self.starts is None else self.starts.chunk(parts, dim=1)
        return [
            Batch(tokens, following, self.continues, first)
            for tokens, following, first in zip(inputs, targets, starts, strict=True)
        ]


class TokenStream:
    """The concatenation of pieces of a token file."""

    def __init__(self, token_file: TokenFile, spans: Spans) -> None:
        self._token_file = token_file
        # offsets[i] is the start of piece i in the stream. The last entry is the length of the stream.
        self._offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(spans.stops - spans.starts)])
        # For each piece, the difference between a position in the file and the position in the stream.
        self._shifts = spans.starts - self._offsets[:-1]

    def __len__(self) -> int:
        return int(self._offsets[-1])

    def read(self, starts: Sequence[int], length: int) -> NDArray[np.int64]:
        """Read several sequences of equal length, as `[sequences, length]`. They must not extend beyond the stream."""
        tokens = self._token_file.map()
        sequences = np.empty((len(starts), length), dtype=np.int64)
        pieces = np.searchsorted(self._offsets, starts, side="right") - 1
        for sequence, start, piece in zip(sequences, starts, pieces.tolist(), strict=True):
            self._fill(sequence, tokens, start, piece)
        return sequences

    def mark_starts(self, starts: Sequence[int], length: int) -> NDArray[np.bool_]:
        """Return whether a piece starts with each token of several sequences, as `[sequences, length]`."""
        marks = np.zeros((len(starts), length), dtype=np.bool_)
        first = np.searchsorted(self._offsets, starts)
        last = np.searchsorted(self._offsets, np.asarray(starts) + length)
        for mark, start, low, high in zip(marks, starts, first.tolist(), last.tolist(), strict=True):
            mark[self._offsets[low:high] - start] = True
        return marks

    def _fill(self, sequence: NDArray[np.int64], tokens: MappedTokens, start: int, piece: int) -> None:
        """Fill a sequence that starts at a position of the stream, in the piece with index `piece`."""
        filled = 0
        while filled < len(sequence):
            position = start + filled
            length = min(len(sequence) - filled, int(self._offsets[piece + 1]) - position)
            first = position + int(self._shifts[piece])
            sequence[filled : filled + length] = tokens.read(first, first + length)
            filled += length
            piece += 1


class TrainingBatches:
    """The batches of a training split, each a pure function of the seed and the step.

    In each epoch the documents of a mixture are concatenated in a new order. The text is cut into rows of equal length,
    one for each row of a batch. The state is carried from batch to batch and is reset at the start of an epoch.

    Args:
        mixture: Training split by its sources.
        sequence_length: Number of steps in a batch.
        shuffle: Whether each epoch has a new order.
        own_rows: The rows that this process reads; by default all.
        with_starts: Whether the batches state where a piece of the split starts.

    Raises:
        DataError: If the split is shorter than one batch.
    """

    def __init__(
        self,
        token_file: TokenFile,
        mixture: Mixture,
        rows: int,
        sequence_length: int,
        seed: int,
        shuffle: bool,
        own_rows: Iterable[int] | None = None,
        with_starts: bool = False,
    ) -> None:
        self._with_starts = with_starts
        self._token_file = token_file
        self._mixture = mixture
        self._sequence_length = sequence_length
        self._seed = seed
        self._shuffle = shuffle
        self._stream: tuple[int, TokenStream] | None = None
        self._block: tuple[int, int, Int[Tensor, "time batch"], Bool[Tensor, "time batch"] | None] | None = None
        # The last token of a row is a target, but not an input.
        self.row_length = (mixture.length - 1) // rows
        self.steps_per_epoch = self.row_length // sequence_length
        if self.steps_per_epoch < 1:  # It is negative for an empty split.
            raise DataError(
                f"the training split has {mixture.length:,} tokens, too few for one batch of {rows:,} sequences × "
                f"{sequence_length} steps, which needs {rows * sequence_length + 1:,}",
                hint="Lower training.batch_size, training.sequence_length or the held-out fractions in [data], or use "
                "more text.",
            )
        # After the check, since somebody else's run may state more rows than fit into memory.
        self._rows = range(rows) if own_rows is None else tuple(own_rows)
        self._steps_of_block = max(1, READ_AHEAD // (len(self._rows) * sequence_length))

    def batch(self, step: int) -> Batch:
        """Return the batch of one step, counted from 0."""
        epoch, position = divmod(step, self.steps_per_epoch)
        block, step_of_block = divmod(position, self._steps_of_block)
        start = step_of_block * self._sequence_length
        stop = start + self._sequence_length
        tokens, starts = self._epoch_block(epoch, block)
        # Copies: a loss that writes into the targets must not change the inputs, or the next batch.
        inputs, targets = tokens[start:stop].clone(), tokens[start + 1 : stop + 1].clone()
        return Batch(inputs, targets, continues=position > 0, starts=None if starts is None else starts[start:stop])

    def _epoch_block(
        self, epoch: int, block: int
    ) -> tuple[Int[Tensor, "time batch"], Bool[Tensor, "steps batch"] | None]:
        """Return the tokens of a block of steps, and where pieces start."""
        if self._block is None or self._block[:2] != (epoch, block):
            first = block * self._steps_of_block
            steps = min(self._steps_of_block, self.steps_per_epoch - first)
            starts = [row * self.row_length + first * self._sequence_length for row in self._rows]
            stream, length = self._epoch_stream(epoch), steps * self._sequence_length
            tokens = torch.as_tensor(np.ascontiguousarray(stream.read(starts, length + 1).T))
            marks = torch.as_tensor(stream.mark_starts(starts, length).T) if self._with_starts else None
            self._block = (epoch, block, tokens, marks)
        return self._block[2:]

    def _epoch_stream(self, epoch: int) -> TokenStream:
        if self._stream is None or self._stream[0] != epoch:
            spans = self._mixture.of_epoch(epoch, self._seed, self._shuffle)
            self._stream = (epoch, TokenStream(self._token_file, spans))
        return self._stream[1]


def evaluation_batches(
    token_file: TokenFile,
    spans: Spans,
    rows: int,
    sequence_length: int,
    limit: int | None = None,
    world: World = ALONE,
    with_starts: bool = False,
) -> Iterator[Batch]:
    """Yield the batches of an evaluation.

    The text is cut into rows of equal length. With a limit, a row is the start of each of as many equal parts of the
    split, so that the rows represent the whole split rather than its first documents. The rows are divided over the
    processes of `world`. A process without a row has no batch.

    The limit is a number of targets; None stands for the whole split, in which every token but the first is a target.
    With `with_starts`, the batches state where a piece of the split starts.

    Yields:
        Batches of at most `rows` rows in order, with the state carried. Targets beyond the end of a row are ignored.
    """
    stream = TokenStream(token_file, spans)
    available = len(stream) - 1
    targets = available if limit is None else min(available, limit)
    rows = max(1, min(rows, targets // EVALUATION_ROW))
    row_length = -(-targets // rows)
    stride = max(row_length, available // rows)
    own_rows = world.share(rows)
    if not own_rows:
        return
    stops = [row * stride + min(row_length, targets - row * row_length) for row in own_rows]
    for offset in range(0, row_length, sequence_length):
        length = min(sequence_length, row_length - offset)
        # Rows that extend beyond the end are padded.
        tokens = np.full((len(own_rows), length + 1), IGNORED_TARGET, dtype=np.int64)
        marks = np.zeros((len(own_rows), length), dtype=np.bool_)
        starts = [min(row * stride + offset, stop) for row, stop in zip(own_rows, stops, strict=True)]
        counts = [min(length, stop - start) for start, stop in zip(starts, stops, strict=True)]
        for count in {*counts}:  # Each reading maps the file, so that rows of one length are read together.
            same = [index for index, other in enumerate(counts) if other == count]
            places = [starts[index] for index in same]
            tokens[same, : count + 1] = stream.read(places, count + 1)
            if with_starts:
                marks[same, :count] = stream.mark_starts(places, count)
        inputs = torch.as_tensor(np.ascontiguousarray(tokens[:, :-1].T)).clamp_min(0)
        targets = torch.as_tensor(np.ascontiguousarray(tokens[:, 1:].T))
        yield Batch(inputs, targets, offset > 0, torch.as_tensor(marks.T) if with_starts else None)

"""Batches for truncated backpropagation through time: lanes of text read side by side."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from seqforge.data.splits import Spans
from seqforge.data.stream import TokenStream
from seqforge.data.token_file import TokenFile
from seqforge.errors import DataError
from seqforge.interfaces import IGNORED_TARGET

EVALUATION_LANE = 2000
"""Tokens that a lane of an evaluation reads at least, so that its cold start weighs little."""

READ_AHEAD = 1 << 18
"""Tokens read from the file at once, for as many steps as they serve: a read's cost is per lane, not per token."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch, to be read only: a batch and the next may share memory.

    Attributes:
        inputs: What is read, `[time, batch]`.
        targets: The next symbol at each step, `[time, batch]`; `IGNORED_TARGET` where there is none.
        continues: Whether it goes on where the batch before it ended, so that the state is carried.
    """

    inputs: Int[Tensor, "time batch"]
    targets: Int[Tensor, "time batch"]
    continues: bool

    def divided(self, parts: int) -> list["Batch"]:
        """Divide the rows among several batches, for accumulated gradients.

        Args:
            parts: How many; the rows are a multiple of it.
        """
        if parts == 1:
            return [self]
        inputs, targets = self.inputs.chunk(parts, dim=1), self.targets.chunk(parts, dim=1)
        return [Batch(part, wanted, self.continues) for part, wanted in zip(inputs, targets, strict=True)]


class TrainingBatches:
    """Batches of a training split, each a pure function of the seed and the step.

    In each epoch the documents are put in a new order and read as one text, which is cut into as many lanes of
    equal length as the batch has rows. A lane's state is carried from batch to batch and starts anew with the epoch.

    Args:
        token_file: The corpus.
        spans: The training split.
        lanes: Rows of a batch.
        sequence_length: Steps of a batch.
        seed: Decides the order of the documents.
        shuffle: Whether there is a new order in every epoch.

    Raises:
        DataError: Where the split is shorter than one batch.
    """

    def __init__(
        self, token_file: TokenFile, spans: Spans, lanes: int, sequence_length: int, seed: int, shuffle: bool
    ) -> None:
        self._token_file = token_file
        self._spans = spans
        self._lanes = lanes
        self._sequence_length = sequence_length
        self._seed = seed
        self._shuffle = shuffle
        self._stream: tuple[int, TokenStream] | None = None
        self._block: tuple[int, int, Int[Tensor, "time batch"]] | None = None
        self._steps_of_block = max(1, READ_AHEAD // (lanes * sequence_length))
        # The last symbol of a lane is a target only.
        self.lane_length = (spans.length - 1) // lanes
        self.steps_per_epoch = self.lane_length // sequence_length
        if self.steps_per_epoch < 1:  # An empty split makes it negative.
            raise DataError(
                f"the training split holds {spans.length:,} tokens, too few for one batch of {lanes} lanes × "
                f"{sequence_length} steps, which reads {lanes * sequence_length + 1:,}",
                hint="Lower training.batch_size or training.sequence_length, hold out less, or give more text.",
            )

    def batch(self, step: int) -> Batch:
        """Give the batch of one step.

        Args:
            step: Optimizer steps done before it.
        """
        epoch, position = divmod(step, self.steps_per_epoch)
        block, within = divmod(position, self._steps_of_block)
        start = within * self._sequence_length
        stop = start + self._sequence_length
        tokens = self._epoch_block(epoch, block)
        return Batch(inputs=tokens[start:stop], targets=tokens[start + 1 : stop + 1], continues=position > 0)

    def _epoch_block(self, epoch: int, block: int) -> Int[Tensor, "time batch"]:
        """Read what the steps of a block need, so that each step's part of it is a view."""
        if self._block is None or self._block[:2] != (epoch, block):
            first = block * self._steps_of_block
            steps = min(self._steps_of_block, self.steps_per_epoch - first)
            starts = [lane * self.lane_length + first * self._sequence_length for lane in range(self._lanes)]
            tokens = self._epoch_stream(epoch).read(starts, steps * self._sequence_length + 1)
            self._block = (epoch, block, torch.as_tensor(np.ascontiguousarray(tokens.T)))
        return self._block[2]

    def _epoch_stream(self, epoch: int) -> TokenStream:
        if self._stream is None or self._stream[0] != epoch:
            spans = self._spans
            if self._shuffle:
                generator = np.random.default_rng([self._seed, epoch])
                spans = spans.reordered(generator.permutation(len(spans.starts)))
            self._stream = (epoch, TokenStream(self._token_file, spans))
        return self._stream[1]


def evaluation_batches(
    token_file: TokenFile, spans: Spans, lanes: int, sequence_length: int, limit: int | None = None
) -> Iterator[Batch]:
    """Read a split once, in order, so that every symbol but the first is a target exactly once.

    Args:
        token_file: The corpus.
        spans: The split.
        lanes: Rows of a batch at most; fewer where the split is short.
        sequence_length: Steps of a batch.
        limit: Read at most so many tokens.

    Yields:
        Batches whose state is carried; the last lanes' padding has no target.
    """
    stream = TokenStream(token_file, spans)
    targets = min(len(stream), limit or len(stream)) - 1
    lanes = max(1, min(lanes, targets // EVALUATION_LANE))
    lane_length = -(-targets // lanes)
    for offset in range(0, lane_length, sequence_length):
        length = min(sequence_length, lane_length - offset)
        starts = [min(lane * lane_length + offset, targets) for lane in range(lanes)]
        # Lanes that run over the end read less, and are padded.
        tokens = np.full((lanes, length + 1), IGNORED_TARGET, dtype=np.int64)
        for lane, start in enumerate(starts):
            available = min(length, targets - start) + 1
            tokens[lane, :available] = stream.read([start], available)[0]
        inputs = torch.as_tensor(np.ascontiguousarray(tokens[:, :-1].T)).clamp_min(0)
        yield Batch(inputs, torch.as_tensor(np.ascontiguousarray(tokens[:, 1:].T)), continues=offset > 0)

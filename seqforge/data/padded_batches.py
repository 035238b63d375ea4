"""Batches of examples of similar length. Shorter examples are padded, and the loss ignores the padding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seqforge.data.example_file import ExampleFile
from seqforge.distribution.world import ALONE, World
from seqforge.errors import DataError
from seqforge.hardware import send
from seqforge.kinds import IGNORED_TARGET, ExampleSpec

SPREAD = 1.2
"""Maximum ratio of the longest to the shortest example of a bucket. A bucket that fills no batch may exceed it."""


@dataclass(frozen=True, slots=True)
class PaddedBatch:
    """A batch of examples.

    Attributes:
        inputs: Tokens or vectors. Steps beyond the length of a row are zeros.
        lengths: Number of steps of each row, at least one.
        targets: One class or one vector per row if targets are predicted once. Otherwise `[time, batch]` or
            `[time, batch, size]`, padded with `IGNORED_TARGET` or NaN; for a decoder, each sequence ends with the end
            symbol.
    """

    inputs: Int[Tensor, "time batch"] | Float[Tensor, "time batch size"]
    lengths: Int[Tensor, " batch"]
    targets: Tensor

    @property
    def target_count(self) -> int:
        """Number of targets, one per example or per step, that are not padding. An empty sequence counts as one."""
        targets = self.targets
        if targets.is_floating_point():
            return int((~targets.isnan()).any(-1).sum())
        # A row without a symbol has a loss too, if the loss aligns: that of blanks at all steps.
        return int((targets != IGNORED_TARGET).sum(0).clamp(min=1).sum())

    def to(self, device: torch.device) -> "PaddedBatch":
        """Return the batch on a device."""
        return PaddedBatch(send(self.inputs, device), send(self.lengths, device), send(self.targets, device))


def read_batch(file: ExampleFile, examples: NDArray[np.int64], epoch: int = 0, end: int | None = None) -> PaddedBatch:
    """Return a batch of examples, by their indices, with the symbol `end` after every target sequence.

    If an example has several targets, the epochs use them in turn.
    """
    inputs = file.inputs.read(examples)
    targets = file.targets.read(_targets_of_epoch(file, examples, epoch))
    return PaddedBatch(
        pad_inputs(inputs), torch.tensor([len(steps) for steps in inputs]), pad_targets(file.spec, targets, end)
    )


def count_targets(file: ExampleFile, examples: NDArray[np.int64], epoch: int, end: int | None) -> int:
    """Return the `target_count` of the batch that `read_batch` returns for the same arguments, without reading it."""
    if file.spec.output_mode == "once":
        return len(examples)
    lengths = file.targets.lengths[_targets_of_epoch(file, examples, epoch)]
    return int(np.maximum(lengths, 1).sum() if end is None else lengths.sum() + len(examples))


def _targets_of_epoch(file: ExampleFile, examples: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
    """Return the index of one target of each example."""
    starts = file.first_targets(examples)
    return starts + epoch % (file.target_stops[examples] - starts)


def pad_inputs(inputs: Sequence[NDArray[Any]]) -> Int[Tensor, "time batch"] | Float[Tensor, "time batch size"]:
    """Return the tokens `[steps]` or the vectors `[steps, size]` of all rows as one tensor, padded with zeros."""
    return _pad(inputs, 0)


def pad_targets(spec: ExampleSpec, targets: Sequence[NDArray[Any]], end: int | None) -> Tensor:
    """Return targets as one tensor, padded with `IGNORED_TARGET` or NaN. `end` is appended to every sequence."""
    if spec.output_mode == "once":
        return torch.as_tensor(np.concatenate(targets).astype(_tensor_type(targets[0])))
    if end is not None:
        targets = [np.append(steps.astype(np.int64), end) for steps in targets]
    return _pad(targets, IGNORED_TARGET if targets[0].ndim == 1 else np.nan)


def _pad(rows: Sequence[NDArray[Any]], padding: int | float) -> Tensor:
    return pad_sequence([torch.from_numpy(row.astype(_tensor_type(row))) for row in rows], padding_value=padding)


def _tensor_type(values: NDArray[Any]) -> type[np.generic]:
    return np.float32 if values.dtype.kind == "f" else np.int64


@dataclass(frozen=True, slots=True)
class BatchShare:
    """The share of one process in a batch of examples.

    Attributes:
        targets: Number of targets of this process.
        all_targets: Number of targets of the whole batch.
        all_steps: Number of input steps of the whole batch, without padding.
    """

    targets: int
    all_targets: int
    all_steps: int


class BucketedBatches:
    """The batches of a training split, each a pure function of the seed and the batch number.

    The examples are divided into buckets of similar length. In each epoch every bucket is shuffled and cut into batches
    of nearly equal size, and the batches of all buckets are shuffled (Khomenko et al. 2016, "Accelerating recurrent
    neural network training using sequence bucketing and multi-GPU data parallelization"). Every example occurs once in
    an epoch, and all epochs have the same number of batches.

    Args:
        examples: Indices of the training examples.
        rows: Maximum number of examples in a batch.
        tokens: Maximum number of steps in a batch: those of inputs and targets together, padding included.
        shuffle: Whether each epoch has a new order.
        end: Symbol that ends every target sequence, or None.

    Raises:
        DataError: If there is no example, or an example of any split has more steps than `tokens`.
    """

    def __init__(
        self,
        file: ExampleFile,
        examples: NDArray[np.int64],
        rows: int,
        tokens: int,
        seed: int,
        shuffle: bool,
        end: int | None,
    ) -> None:
        if not len(examples):
            raise DataError(
                "the training split has no example",
                hint="Lower the held-out fractions in [data], or use more examples.",
            )
        steps = file.inputs.lengths + file.longest_targets() + 1
        longest = int(np.argmax(steps))
        if steps[longest] > tokens:
            raise DataError(
                f"the example {file.names[longest]!r} has {steps[longest]:,} steps, and a batch may have {tokens:,}",
                hint="Raise training.batch_tokens, or use shorter examples.",
            )
        self._file = file
        self._seed = seed
        self._shuffle = shuffle
        self._end = end
        self._buckets = _buckets(file, examples, rows, tokens)
        self._epoch: tuple[int, list[NDArray[np.int64]]] | None = None
        self.batches_per_epoch = sum(parts for _, parts in self._buckets)

    def part(self, number: int, world: World) -> tuple[PaddedBatch, BatchShare]:
        """Return the examples of a batch that this process reads, and their share of the whole batch.

        The number of a batch is counted from 0 over all epochs. A process must take part in every step. If the batch
        has fewer examples than there are processes, a process without an example reads the first one, none of whose
        targets counts.
        """
        epoch, position = divmod(number, self.batches_per_epoch)
        examples = self.order(epoch)[position]
        share = world.share(len(examples))
        own = examples[share.start : share.stop]
        batch = read_batch(self._file, own if len(own) else examples[:1], epoch=epoch, end=self._end)
        if world.size == 1:
            return batch, BatchShare(batch.target_count, batch.target_count, int(batch.lengths.sum()))
        whole = count_targets(self._file, examples, epoch=epoch, end=self._end)
        steps = int(self._file.inputs.lengths[examples].sum())
        return batch, BatchShare(batch.target_count if len(own) else 0, whole, steps)

    def order(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the indices of the examples in every batch of an epoch."""
        if self._epoch is None or self._epoch[0] != epoch:
            generator = np.random.default_rng([self._seed, epoch])
            batches: list[NDArray[np.int64]] = []
            for bucket, parts in self._buckets:
                batches += np.array_split(generator.permutation(bucket) if self._shuffle else bucket, parts)
            order = generator.permutation(len(batches)) if self._shuffle else range(len(batches))
            self._epoch = (epoch, [batches[index] for index in order])
        return self._epoch[1]


def evaluation_examples(
    file: ExampleFile,
    examples: NDArray[np.int64],
    rows: int,
    tokens: int,
    end: int | None,
    limit: int | None = None,
    world: World = ALONE,
) -> Iterator[tuple[NDArray[np.int64], PaddedBatch]]:
    """Yield every example of a split once, in batches, the shortest examples first.

    A batch has at most `rows` examples and `tokens` steps of inputs and targets, padding included. With a `limit`, a
    random subset of at most that many steps is used, the same in every call. The batches are divided over the processes
    of `world`.

    Yields:
        The indices of examples, and the batch of these examples.
    """
    if limit is not None:
        # The subset is random, because in many corpora the first examples are of one class.
        examples = np.random.default_rng(0).permutation(examples)
        steps = file.inputs.lengths[examples] + file.longest_targets()[examples]
        examples = examples[: max(1, int(np.searchsorted(np.cumsum(steps), limit, side="right")))]
    buckets = _buckets(file, examples, rows, tokens)
    batches = [batch for bucket, parts in buckets for batch in np.array_split(bucket, parts)]
    for index in range(world.rank, len(batches), world.size):  # in turn, because later batches are longer
        yield batches[index], read_batch(file, batches[index], end=end)


def _buckets(
    file: ExampleFile, examples: NDArray[np.int64], rows: int, tokens: int
) -> list[tuple[NDArray[np.int64], int]]:
    """Return the examples of each bucket, and the number of batches to cut it into."""
    inputs = file.inputs.lengths[examples]
    targets = file.longest_targets()[examples] + 1  # includes an end symbol
    order = np.argsort(inputs + targets, kind="stable")
    examples, inputs, targets = examples[order], inputs[order], targets[order]
    buckets: list[tuple[NDArray[np.int64], int]] = []
    start = 0
    while start < len(examples):
        shortest = int(inputs[start] + targets[start])
        stop = int((inputs + targets <= SPREAD * shortest).sum())
        stop = min(max(stop, start + rows), len(examples))
        # A batch is padded to its longest input and its longest target, which may belong to different examples.
        padded = int(inputs[start:stop].max() + targets[start:stop].max())
        fitting = max(1, min(rows, tokens // padded))
        buckets.append((examples[start:stop], -(-(stop - start) // fitting)))
        start = stop
    return buckets

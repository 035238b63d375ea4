"""Batches of examples of about the same length: little is padded, and memory is bounded."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from seqforge.data.example_file import ExampleFile
from seqforge.data.padded_batch import PaddedBatch, read_batch
from seqforge.errors import DataError

SPREAD = 1.2
"""How much longer than the shortest the longest example of a bucket may be, where the bucket fills a batch."""


class BucketedBatches:
    """Batches of training examples, each a pure function of the seed and of its number.

    The examples are put in buckets of about the same length, once. In each epoch every bucket is put in a new order
    and cut into batches as even as can be, and the batches of all buckets come in a new order (Khomenko et al. 2016,
    "Accelerating recurrent neural network training using sequence bucketing and multi-GPU data parallelization").
    So every example comes once in an epoch, and every epoch has as many batches.

    Args:
        file: The examples.
        examples: The training split.
        rows: Examples of a batch at most.
        tokens: Steps of a batch at most, read and written, padding included.
        seed: Decides the order.
        shuffle: Whether there is a new order in every epoch.
        end: The symbol that ends a new sequence; None where nothing does.

    Raises:
        DataError: Where there is no example, or one of any split has more steps than a batch may have.
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
            raise DataError("the training split holds no example", hint="Hold out less, or give more examples.")
        _refuse_longer(file, tokens)
        self._file = file
        self._seed = seed
        self._shuffle = shuffle
        self._end = end
        self._buckets = _buckets(file, examples, rows, tokens)
        self._epoch: tuple[int, list[NDArray[np.int64]]] | None = None
        self.batches_per_epoch = sum(parts for _, parts in self._buckets)

    def batch(self, number: int) -> PaddedBatch:
        """Give one batch.

        Args:
            number: Batches before it.
        """
        epoch, position = divmod(number, self.batches_per_epoch)
        return read_batch(self._file, self.order(epoch)[position], turn=epoch, end=self._end)

    def order(self, epoch: int) -> list[NDArray[np.int64]]:
        """Give an epoch's batches, as indices of examples.

        Args:
            epoch: Passes over the training split before it.
        """
        if self._epoch is None or self._epoch[0] != epoch:
            generator = np.random.default_rng([self._seed, epoch])
            batches: list[NDArray[np.int64]] = []
            for bucket, parts in self._buckets:
                batches += np.array_split(generator.permutation(bucket) if self._shuffle else bucket, parts)
            order = generator.permutation(len(batches)) if self._shuffle else range(len(batches))
            self._epoch = (epoch, [batches[index] for index in order])
        return self._epoch[1]


def evaluation_examples(
    file: ExampleFile, examples: NDArray[np.int64], rows: int, tokens: int, end: int | None, limit: int | None = None
) -> Iterator[tuple[NDArray[np.int64], PaddedBatch]]:
    """Read a split once, in buckets, the shortest examples first.

    Args:
        file: The examples.
        examples: The split.
        rows: Examples of a batch at most.
        tokens: Steps of a batch at most, read and written, padding included.
        end: The symbol that ends a new sequence; None where nothing does.
        limit: Read at most so many steps in all, of examples that are the same at every call.

    Yields:
        Indices of examples, and their batch.
    """
    if limit is not None:
        # Not the first ones, which in many a corpus are of one class.
        examples = np.random.default_rng(0).permutation(examples)
        steps = file.inputs.lengths[examples] + file.longest_targets()[examples]
        examples = examples[: max(1, int(np.searchsorted(np.cumsum(steps), limit, side="right")))]
    for bucket, parts in _buckets(file, examples, rows, tokens):
        for part in np.array_split(bucket, parts):
            yield part, read_batch(file, part, end=end)


def _refuse_longer(file: ExampleFile, tokens: int) -> None:
    """Refuse a corpus of which an example alone is more than a batch may be, held out or not."""
    steps = file.inputs.lengths + file.longest_targets() + 1
    longest = int(np.argmax(steps))
    if steps[longest] > tokens:
        raise DataError(
            f"the example {file.names[longest]!r} has {steps[longest]:,} steps, and a batch may have {tokens:,}",
            hint="Raise training.batch_tokens, or let the corpus cut its examples.",
        )


def _buckets(
    file: ExampleFile, examples: NDArray[np.int64], rows: int, tokens: int
) -> list[tuple[NDArray[np.int64], int]]:
    """Give each bucket with the number of batches that it makes."""
    read = file.inputs.lengths[examples]
    written = file.longest_targets()[examples] + 1  # an end, where there is one
    order = np.argsort(read + written, kind="stable")
    examples, read, written = examples[order], read[order], written[order]
    buckets: list[tuple[NDArray[np.int64], int]] = []
    start = 0
    while start < len(examples):
        shortest = int(read[start] + written[start])
        stop = int((read + written <= SPREAD * shortest).sum())
        stop = min(max(stop, start + rows), len(examples))
        # A batch is padded to the longest read and the longest written, of which each may be of another example.
        padded = int(read[start:stop].max() + written[start:stop].max())
        fitting = max(1, min(rows, tokens // padded))
        buckets.append((examples[start:stop], -(-(stop - start) // fitting)))
        start = stop
    return buckets

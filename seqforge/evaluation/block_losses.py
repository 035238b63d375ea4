"""Losses of blocks of held-out data, and bootstrap intervals from them (Efron 1979).

A mean loss alone does not show whether the difference of two models is larger than the noise of the held-out data. The
blocks are resampled with replacement, and the spread of the resampled means is the interval. For two models on the same
blocks, their difference is resampled, in which most of the noise cancels.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from seqforge.data import Batch
from seqforge.errors import NonFiniteError
from seqforge.evaluation.likelihood import score_batch
from seqforge.events import Report, WorkProgressed
from seqforge.interfaces import IGNORED_TARGET
from seqforge.model import SequenceModel

LEVEL = 0.95
"""Fraction of the resampled means that an interval contains."""

RESAMPLES = 2000
FEWEST_BLOCKS = 20
"""Number of blocks below which there is no interval, since it would be too narrow."""

_CHUNK = 4_000_000
"""Number of random draws that are in memory at once."""


class Interval(NamedTuple):
    """A bootstrap interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class BlockLosses:
    """The loss of each block of held-out data: a block of text, or a labelled example.

    Attributes:
        digest: Digest of the data and of its division into blocks. Blocks with the same digest can be paired.
        unit: "bits per character" or "loss".
        totals: Sum of the losses in each block, in this unit.
        sizes: Number of characters or targets in each block.
    """

    digest: str
    unit: str
    totals: NDArray[np.float64]
    sizes: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean loss per character or target."""
        return float(self.totals.sum() / self.sizes.sum())

    def interval(self, seed: int = 0) -> Interval | None:
        """Return the bootstrap interval of the mean, or None if there are too few blocks."""
        return _interval(lambda draws: draws @ self.totals / (draws @ self.sizes), len(self.sizes), seed)

    def difference(self, other: "BlockLosses", seed: int = 0) -> Interval | None:
        """Return the bootstrap interval of `other.mean - self.mean`, with the blocks of both paired.

        Returns:
            The interval; None if there are too few blocks, or if the blocks are not the same.
        """
        if self.digest != other.digest or len(self.sizes) != len(other.sizes):
            return None
        totals = other.totals - self.totals
        return _interval(lambda draws: draws @ totals / (draws @ self.sizes), len(totals), seed)


def _interval(means_of: Callable[[NDArray[np.int64]], NDArray[np.float64]], blocks: int, seed: int) -> Interval | None:
    if blocks < FEWEST_BLOCKS:
        return None
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // blocks)
    means = [
        means_of(generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=min(rows, RESAMPLES - start)))
        for start in range(0, RESAMPLES, rows)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def score_blocks(
    model: SequenceModel, batches: Iterable[Batch], target_count: int, report: Report | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score text in blocks: each row of a batch is one. The state is carried, so that the mean is that of the text.

    The model is left in evaluation mode.

    Args:
        model: A language model.
        batches: Batches of the text in order.
        target_count: Number of targets in all batches, for the progress.
        report: Function that receives the progress.

    Returns:
        Negative log-likelihood in nats, and number of targets, of each block.

    Raises:
        NonFiniteError: If the likelihood is not finite.
    """
    totals: list[NDArray[np.float64]] = []
    sizes: list[NDArray[np.float64]] = []
    done, states = 0, None
    model.eval()
    with torch.inference_mode():
        for batch in batches:
            nats, states = score_batch(model, batch, states, reduction="none")
            totals.append(nats.reshape(batch.targets.shape).sum(0).double().cpu().numpy())
            sizes.append((batch.targets != IGNORED_TARGET).sum(0).double().numpy())
            done += int(sizes[-1].sum())
            if report is not None:
                report(WorkProgressed("evaluating", done / target_count))
    counts = np.concatenate(sizes)
    losses = np.concatenate(totals)[counts > 0]
    if not math.isfinite(losses.sum()):
        raise NonFiniteError(f"the loss on held-out text is {losses.sum()}")
    return losses, counts[counts > 0]

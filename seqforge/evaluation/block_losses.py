"""Losses of blocks of held-out data, for the difference of two models on the same blocks.

The differences of the blocks are resampled, in which most of the noise of the held-out data cancels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqforge.evaluation.bootstrap import Interval, bootstrap_mean


@dataclass(frozen=True, slots=True)
class BlockLosses:
    """The loss of each block of held-out data: a block of text, or a labelled example.

    Attributes:
        digest: Digest of the data and of its division into blocks. Blocks with the same digest can be paired.
        unit: "bits per character", or the loss with its options. Only losses of the same unit have a difference.
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
        return bootstrap_mean(self.totals, self.sizes, seed)

    def difference(self, other: "BlockLosses", seed: int = 0) -> Interval | None:
        """Return the bootstrap interval of `other.mean - self.mean`, with the blocks of both paired.

        Returns:
            The interval; None if there are too few blocks, or if the blocks or the units are not the same.
        """
        if (self.digest, self.unit) != (other.digest, other.unit) or len(self.sizes) != len(other.sizes):
            return None
        return bootstrap_mean(other.totals - self.totals, self.sizes, seed)

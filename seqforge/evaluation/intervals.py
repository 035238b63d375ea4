"""Intervals of means over blocks of text, samples or examples (bootstrap, Efron 1979), and of shares.

A mean alone does not show whether a difference is larger than the noise of the data. The parts over which it is a mean
are resampled with replacement, and the spread of the resampled means is the interval. For the difference of two models
on the same blocks of data, the differences of the blocks are resampled, in which most of the noise of the data cancels.

For the share of rare errors, resampling fails: without one in the sample, every resampled share is 0. The interval of
Wilson 1927 follows from the shares for which the sample is probable, so it is never empty. The cases of one text are
more alike than those of different texts, so their number is divided by the design effect (Kish 1965): the variance of
the share over the texts divided by that of independent cases. The quantile is that of Student's distribution, since the
variance is estimated (Korn and Graubard 1998).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
"""Fraction of the resampled means that an interval contains."""

RESAMPLES = 2000
FEWEST_PARTS = 20
"""Number of parts below which there is no interval, since it would be too narrow."""

_CHUNK = 4_000_000
"""Number of random draws that are in memory at once."""

_QUANTILE = 1.959964
"""Quantile of the normal distribution for 95%."""


class Interval(NamedTuple):
    """A 95% interval."""

    low: float
    high: float


def bootstrap_mean(totals: ArrayLike, sizes: ArrayLike) -> Interval | None:
    """Return the interval of `sum(totals) / sum(sizes)`, where each part has a total and a size.

    The total is the sum of the values in a part, such as its loss or its number of errors, and the size their number.
    Parts of size 0 do not count.

    Returns:
        The interval, or None if there are fewer than `FEWEST_PARTS` parts.
    """
    all_totals, all_sizes = np.asarray(totals, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    nonempty = all_sizes > 0
    all_totals, all_sizes = all_totals[nonempty], all_sizes[nonempty]
    parts = len(all_sizes)
    if parts < FEWEST_PARTS:
        return None
    generator = np.random.default_rng(0)
    rows = max(1, _CHUNK // parts)
    means: list[NDArray[np.float64]] = []
    for start in range(0, RESAMPLES, rows):
        draws = generator.multinomial(parts, np.full(parts, 1 / parts), size=min(rows, RESAMPLES - start))
        means.append(draws @ all_totals / (draws @ all_sizes))
    return _interval(np.concatenate(means))


def bootstrap_values(
    parts: int, score: Callable[[NDArray[np.int64]], Mapping[str, float]], resamples: int
) -> dict[str, Interval]:
    """Return the intervals of values that need not be means, such as an F1 score. Each resample is scored anew.

    The function `score` returns the values by name for the indices of drawn parts.

    Returns:
        Intervals by name, over the resamples that have the value; empty if there are fewer than `FEWEST_PARTS` parts,
        or no resamples.
    """
    if parts < FEWEST_PARTS or not resamples:
        return {}
    generator = np.random.default_rng(0)
    drawn = [score(generator.integers(parts, size=parts)) for _ in range(resamples)]
    names = dict.fromkeys(name for values in drawn for name in values)
    return {name: _interval(np.array([values[name] for values in drawn if name in values])) for name in names}


def _interval(means: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def format_interval(interval: tuple[float, float]) -> str:
    """Return an interval as tables show it."""
    return f"[{interval[0]:.4f}, {interval[1]:.4f}]"


def finite_intervals(intervals: Mapping[str, Interval]) -> dict[str, Interval]:
    """Return the intervals without an infinite bound, which JSON cannot store."""
    return {name: interval for name, interval in intervals.items() if all(map(math.isfinite, interval))}


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

    def interval(self) -> Interval | None:
        """Return the bootstrap interval of the mean, or None if there are too few blocks."""
        return bootstrap_mean(self.totals, self.sizes)

    def difference(self, other: "BlockLosses") -> Interval | None:
        """Return the bootstrap interval of `other.mean - self.mean`, with the blocks of both paired.

        Returns:
            The interval; None if there are too few blocks, or if the blocks or the units are not the same.
        """
        if (self.digest, self.unit) != (other.digest, other.unit) or len(self.sizes) != len(other.sizes):
            return None
        return bootstrap_mean(other.totals - self.totals, self.sizes)


def share_interval(totals: ArrayLike, sizes: ArrayLike) -> Interval | None:
    """Return the 95% interval of `sum(totals) / sum(sizes)`, a share of cases that belong to texts.

    The totals are numbers of the counted cases in each text, from 0 to its size. Texts of size 0 do not count.

    Returns:
        The interval, or None if fewer than `FEWEST_PARTS` texts have cases.
    """
    all_totals, all_sizes = np.asarray(totals, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    nonempty = all_sizes > 0
    all_totals, all_sizes = all_totals[nonempty], all_sizes[nonempty]
    texts, cases = len(all_sizes), float(all_sizes.sum())
    if texts < FEWEST_PARTS:
        return None
    share = min(1.0, float(all_totals.sum()) / cases)
    independent = share * (1 - share) / cases
    variance = float(np.square(all_totals - share * all_sizes).sum()) / cases**2 * texts / (texts - 1)
    effective = cases / max(1.0, variance / independent) if independent > 0 else cases
    quantile = _student_quantile(texts - 1)
    # The shares whose distance from the sample's is `quantile` standard deviations are the roots of a quadratic.
    added = quantile**2 / effective
    center = (share + added / 2) / (1 + added)
    half = math.sqrt(added * share * (1 - share) + added**2 / 4) / (1 + added)
    return Interval(max(0.0, center - half), min(1.0, center + half))


def _student_quantile(freedom: int) -> float:
    """Return the quantile of Student's distribution for 95%, by its expansion (Abramowitz and Stegun, 26.7.5)."""
    quantile = _QUANTILE
    first = (quantile**3 + quantile) / (4 * freedom)
    second = (5 * quantile**5 + 16 * quantile**3 + 3 * quantile) / (96 * freedom**2)
    return quantile + first + second


def estimate_difference(
    value: float | None, interval: tuple[float, float] | None, other: float | None, spread: tuple[float, float] | None
) -> tuple[float | None, Interval | None]:
    """Return `value - other` with its interval if both have one; None if one of the values is unknown.

    The interval is that of two independent values with intervals (Newcombe 1998, method 10). It contains 0 if the
    values may be equal. The distance of each bound from the difference is the square root of the sum of the squared
    distances of the two values from their own bounds.
    """
    if value is None or other is None:
        return None, None
    difference = value - other
    if interval is None or spread is None:
        return difference, None
    low, high = math.hypot(value - interval[0], spread[1] - other), math.hypot(interval[1] - value, other - spread[0])
    return difference, Interval(difference - low, difference + high)

"""Intervals of shares, such as that of the functions with an error, and of the difference of two shares.

Resampling fails for rare errors: without one in the sample, every resampled share is 0. The interval of Wilson 1927
follows from the shares for which the sample is probable, so it is never empty. The cases of one text are more alike
than those of different texts, so their number is divided by the design effect (Kish 1965): the variance of the share
over the texts divided by that of independent cases. The quantile is that of Student's distribution, since the variance
is estimated (Korn and Graubard 1998).
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from seqforge.evaluation.bootstrap import FEWEST_PARTS, Interval

_QUANTILE = 1.959964
"""Quantile of the normal distribution for 95%."""


def share_interval(totals: ArrayLike, sizes: ArrayLike) -> Interval | None:
    """Return the 95% interval of `sum(totals) / sum(sizes)`, a share of cases that belong to texts.

    Args:
        totals: Number of the counted cases in each text, from 0 to its size.
        sizes: Number of cases in each text. Texts of size 0 do not count.

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


def difference_interval(value: float, interval: Interval, other: float, other_interval: Interval) -> Interval:
    """Return the interval of `value - other`, two independent values with intervals (Newcombe 1998, method 10).

    It contains 0 if the values may be equal. Its bounds are as far from the difference as those of both together.
    """
    difference = value - other
    low = math.hypot(value - interval.low, other_interval.high - other)
    high = math.hypot(interval.high - value, other - other_interval.low)
    return Interval(difference - low, difference + high)

"""The rank correlation of two quantities, with an interval."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_QUANTILE = 1.96
"""The 97.5% quantile of the normal distribution."""


class Correlation(NamedTuple):
    """A correlation.

    Attributes:
        value: Spearman's rank correlation, or NaN if all values of a quantity are equal.
        low: Lower end of the 95% interval.
        high: Upper end of it.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def correlate_ranks(first: Sequence[float], second: Sequence[float]) -> Correlation:
    """Return the rank correlation of at least four pairs.

    The interval is the one of Bonett and Wright 2000, "Sample size requirements for estimating Pearson, Kendall and
    Spearman correlations": that of Fisher's transform, with a standard error of √((1 + r²/2) / (n - 3)).
    """
    ranks = rank(first), rank(second)
    if any(np.ptp(each) == 0 for each in ranks):
        return Correlation(math.nan, -1.0, 1.0)
    value = float(np.corrcoef(*ranks)[0, 1])
    if abs(value) > 1 - 1e-12:
        return Correlation(value, value, value)
    half = _QUANTILE * math.sqrt((1 + value**2 / 2) / (len(first) - 3))
    return Correlation(value, math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half))


def rank(values: Sequence[float]) -> NDArray[np.float64]:
    """Return the rank of each value, from 1. Equal values have the mean of their ranks."""
    array = np.asarray(values, dtype=np.float64)
    smaller, equal = (array < array[:, None]).sum(1), (array == array[:, None]).sum(1)
    return smaller + (equal + 1) / 2

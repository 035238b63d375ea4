"""Intervals of shares contain the true share as often as they promise, and never are a point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqforge.evaluation.intervals import FEWEST_PARTS, Interval, estimate_difference, share_interval

SHARES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
SAMPLES = 300


def draw(generator: np.random.Generator, texts: int, share: float, correlation: float, cases: float) -> np.ndarray:
    """Return numbers of counted cases and of cases in texts whose cases are correlated, `[2, texts]`."""
    sizes = 1 + generator.poisson(cases - 1, texts)
    spread = (1 - correlation) / correlation if correlation else 0
    own = generator.beta(share * spread, (1 - share) * spread, texts) if correlation else share
    return np.stack([generator.binomial(sizes, own), sizes])


def contains(interval: Interval | None, value: float) -> bool:
    return interval is not None and interval.low <= value <= interval.high


@pytest.mark.parametrize("texts", [30, 100, 300])
@pytest.mark.parametrize(("correlation", "cases"), [(0.0, 4.0), (0.05, 4.0), (0.2, 4.0), (0.1, 11.0)])
def test_the_interval_contains_the_true_share_as_often_as_it_promises(texts: int, correlation: float, cases: float):
    generator = np.random.default_rng(0)
    hits = {
        share: np.mean(
            [
                contains(share_interval(*draw(generator, texts, share, correlation, cases)), share)
                for _ in range(SAMPLES)
            ]
        )
        for share in SHARES
    }
    assert 0.93 <= np.mean(list(hits.values())) <= 0.975
    # Counts are whole numbers, so the fraction varies with the share. The noise of 300 samples is 1.3%.
    assert min(hits.values()) >= 0.89


def test_the_excess_is_contained_as_often_as_the_interval_promises():
    generator = np.random.default_rng(1)
    hits = []
    for first, second in ((0.002, 0.02), (0.05, 0.05), (0.5, 0.1)):
        for _ in range(SAMPLES):
            pairs = [draw(generator, 100, share, 0.1, 4.0) for share in (first, second)]
            values = [totals.sum() / sizes.sum() for totals, sizes in pairs]
            intervals = [share_interval(*pair) for pair in pairs]
            assert intervals[0] is not None
            assert intervals[1] is not None
            _, found = estimate_difference(values[0], intervals[0], values[1], intervals[1])
            hits.append(contains(found, first - second))
    assert 0.93 <= np.mean(hits) <= 0.975


def test_a_share_of_nothing_or_all_has_an_interval():
    none, everything = share_interval(np.zeros(50), np.ones(50)), share_interval(np.ones(50), np.ones(50))
    assert none is not None
    assert everything is not None
    assert none.low == 0
    assert 0.06 < none.high < 0.08  # three of 50, the rule of three, is 0.06
    assert everything == pytest.approx((1 - none.high, 1))


@pytest.mark.parametrize(
    ("totals", "size", "effective"),
    [([0, 0, 1] * 10, 1, 29), ([0, 0, 2] * 10, 2, 29), ([1] * 30, 2, 60)],
    ids=["one case in each text", "equal cases in each text", "equal texts"],
)
def test_the_bounds_are_the_shares_for_which_the_sample_is_probable(totals: list[int], size: int, effective: int):
    share, interval = sum(totals) / (30 * size), share_interval(totals, [size] * 30)
    assert interval is not None
    assert interval.low < share < interval.high
    for bound in interval:
        assert (share - bound) ** 2 == pytest.approx(2.04523**2 * bound * (1 - bound) / effective, rel=1e-3)


def test_the_quantile_is_that_of_students_distribution():
    none = share_interval(np.zeros(501), np.ones(501))
    assert none is not None
    # If nothing is counted, the upper bound is q² / (n + q²).
    assert np.sqrt(501 * none.high / (1 - none.high)) == pytest.approx(1.96471984, abs=3e-8)


def test_the_bounds_of_a_difference_are_as_far_as_those_of_both_values_together():
    _, found = estimate_difference(5.0, Interval(4.0, 8.0), 2.0, Interval(-2.0, 3.0))
    assert found == pytest.approx((3 - 2**0.5, 3 + 5))


def test_few_texts_and_texts_without_cases_do_not_count():
    assert share_interval(np.ones(FEWEST_PARTS), np.full(FEWEST_PARTS, 2)) is not None
    assert share_interval(np.ones(FEWEST_PARTS - 1), np.full(FEWEST_PARTS - 1, 2)) is None
    totals, sizes = np.arange(30) % 2, np.ones(30)
    assert share_interval([*totals, 0, 0], [*sizes, 0, 0]) == share_interval(totals, sizes)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=FEWEST_PARTS, max_size=60))
def test_the_interval_is_around_the_share(pairs: list[tuple[int, int]]):
    totals, sizes = [min(pair) for pair in pairs], [max(pair) for pair in pairs]
    if (interval := share_interval(totals, sizes)) is not None:
        assert 0 <= interval.low <= sum(totals) / sum(sizes) <= interval.high <= 1
        assert interval.low < interval.high

"""Bootstrap intervals: they contain the true mean as often as they promise, and paired ones are narrow."""

import numpy as np
import pytest

from seqforge.evaluation.intervals import FEWEST_PARTS, BlockLosses, bootstrap_values


def blocks(totals: np.ndarray, digest: str = "data") -> BlockLosses:
    return BlockLosses(digest, "loss", totals, np.full(len(totals), 2.0))


def test_the_interval_contains_the_true_mean_as_often_as_it_promises() -> None:
    generator = np.random.default_rng(0)
    samples = [blocks(generator.gamma(2.0, size=100)) for _ in range(200)]
    intervals = [sample.interval() for sample in samples]
    assert all(interval is not None for interval in intervals)
    hits = sum(interval.low <= 1.0 <= interval.high for interval in intervals if interval is not None)
    assert 0.89 <= hits / 200 <= 0.98


def test_the_width_is_that_of_the_normal_approximation() -> None:
    sample = blocks(np.random.default_rng(1).normal(4.0, 1.0, size=400))
    interval = sample.interval()
    assert interval is not None
    half_width = 1.96 * sample.totals.std() / 2 / np.sqrt(400)
    assert interval.high - sample.mean == pytest.approx(half_width, rel=0.1)
    assert sample.mean - interval.low == pytest.approx(half_width, rel=0.1)


def test_paired_blocks_show_a_difference_that_is_below_their_noise() -> None:
    generator = np.random.default_rng(2)
    noise = generator.normal(10.0, 5.0, size=200)
    first, second = blocks(noise), blocks(noise - 0.2 + generator.normal(0, 0.1, size=200))
    difference, own = first.difference(second), first.interval()
    assert difference is not None
    assert own is not None
    assert difference.low < second.mean - first.mean < difference.high < 0
    assert own.low < second.mean < own.high
    reverse = second.difference(first)
    assert reverse is not None
    assert reverse == pytest.approx((-difference.high, -difference.low))


def test_there_is_no_interval_of_few_or_of_different_blocks() -> None:
    assert blocks(np.ones(FEWEST_PARTS - 1)).interval() is None
    many = blocks(np.ones(50))
    assert many.difference(blocks(np.ones(50), "other data")) is None
    assert many.difference(blocks(np.ones(49))) is None
    assert many.interval() == (0.5, 0.5)


def test_values_that_are_no_means_are_scored_anew() -> None:
    values = np.random.default_rng(3).normal(4.0, 1.0, size=400)
    intervals = bootstrap_values(400, lambda drawn: {"median": float(np.median(values[drawn]))}, resamples=400)
    low, high = intervals["median"]
    assert low < np.median(values) < high
    # The standard error of the median of normal values.
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(np.pi / 2) / 20, rel=0.35)
    assert bootstrap_values(FEWEST_PARTS - 1, lambda _: {"median": 0.0}, resamples=10) == {}
    assert bootstrap_values(400, lambda _: {"median": 0.0}, resamples=0) == {}

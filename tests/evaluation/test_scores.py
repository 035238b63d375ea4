"""Scores as `seqforge evaluate` prints them."""

import numpy as np
import pytest

from seqforge.evaluation.examples import ExampleScore
from seqforge.evaluation.intervals import bootstrap_mean
from seqforge.evaluation.likelihood import BLOCK, LikelihoodScore, summarize_blocks


def test_a_size_has_its_unit_in_the_singular_or_the_plural() -> None:
    assert [ExampleScore(0.5, count).size for count in (1, 1537)] == ["1 example", "1,537 examples"]
    assert [LikelihoodScore(0.5, count, 1.0).size for count in (1, 14915)] == ["1 token", "14,915 tokens"]


@pytest.mark.parametrize(("length", "joined"), [(BLOCK // 10, 10), (BLOCK, 1), (4 * BLOCK, 1)])
def test_the_interval_is_that_of_blocks_of_the_usual_length(length: int, joined: int) -> None:
    counts = np.full(800, length, dtype=np.float64)
    nats = counts * np.random.default_rng(1).gamma(2.0, size=800)
    starts = np.arange(0, 800, joined)
    expected = bootstrap_mean(np.add.reduceat(nats, starts), np.add.reduceat(counts, starts))
    score = summarize_blocks(nats, counts, 1.0)
    assert score.interval == expected
    assert score.loss == pytest.approx(nats.sum() / counts.sum())

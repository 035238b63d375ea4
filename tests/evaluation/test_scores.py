"""Scores as `seqforge evaluate` prints them."""

from seqforge.evaluation.examples import ExampleScore
from seqforge.evaluation.likelihood import LikelihoodScore


def test_a_size_has_its_unit_in_the_singular_or_the_plural() -> None:
    assert [ExampleScore(0.5, count).size for count in (1, 1537)] == ["1 example", "1,537 examples"]
    assert [LikelihoodScore(0.5, count, 1.0).size for count in (1, 14915)] == ["1 token", "14,915 tokens"]

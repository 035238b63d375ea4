"""Evaluation: the likelihood of text, scores of examples and samples, and the baseline on held-out text."""

from seqforge.evaluation.baseline import with_baselines
from seqforge.evaluation.examples import ExampleScore
from seqforge.evaluation.likelihood import LikelihoodScore, score_likelihood
from seqforge.evaluation.metrics import TextScores, score_texts

__all__ = [
    "ExampleScore",
    "LikelihoodScore",
    "TextScores",
    "score_likelihood",
    "score_texts",
    "with_baselines",
]

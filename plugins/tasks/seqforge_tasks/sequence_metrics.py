"""The metrics `exact-match`, `edit-distance` and `pronunciation`, which compare predicted and target sequences.

The edit distance of two sequences is the smallest number of insertions, deletions and replacements of symbols that
turns one into the other (Levenshtein 1966, "Binary Codes Capable of Correcting Deletions, Insertions, and Reversals").
If an example has several correct targets, the nearest one counts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rapidfuzz.distance import Levenshtein

from seqforge.kinds import Classes, ExamplePrediction, ExampleSpec, Numbers, PredictionMetric, Score, Value


class ExactMatch(PredictionMetric):
    """The share of predictions that are equal to a correct target in every symbol."""

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Return the figure `share`, from 0 to 1."""
        return Score({"share": _sum_edits(predictions).exact / len(predictions)})

    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether targets are not numbers."""
        return not isinstance(spec.target, Numbers)


class EditDistance(PredictionMetric):
    """The edit distance between predicted and target sequences, per prediction and per target symbol."""

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Return the figures `mean`, edits per prediction, and `rate`, edits per target symbol."""
        total = _sum_edits(predictions)
        return Score({"mean": total.edits / len(predictions), "rate": total.edits / max(total.length, 1)})

    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether targets are sequences whose length is independent of the input."""
        return spec.output_mode == "sequence"


class Pronunciation(PredictionMetric):
    """The word error rate and the phoneme error rate of pronunciations.

    Yao and Zweig 2015, "Sequence-to-Sequence Neural Net Models for Grapheme-to-Phoneme Conversion".
    """

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Return `word_error_rate`, the share of words with an edit, and `phoneme_error_rate`, edits per phoneme."""
        total, words = _sum_edits(predictions), len(predictions)
        phoneme_error_rate = total.edits / max(total.length, 1)
        return Score({"word_error_rate": (words - total.exact) / words, "phoneme_error_rate": phoneme_error_rate})

    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether targets are sequences of classes, which are the phonemes."""
        return isinstance(spec.target, Classes) and spec.output_mode == "sequence"


class _Total(NamedTuple):
    """Sums over predictions.

    Attributes:
        edits: Edits to the nearest target.
        length: Symbols of the nearest target.
        exact: Number of predictions without an edit.
    """

    edits: int
    length: int
    exact: int


def _sum_edits(predictions: Sequence[ExamplePrediction]) -> _Total:
    nearest = [_measure_nearest(prediction) for prediction in predictions]
    return _Total(
        sum(edits for edits, _ in nearest),
        sum(length for _, length in nearest),
        sum(edits == 0 for edits, _ in nearest),
    )


def _measure_nearest(prediction: ExamplePrediction) -> tuple[int, int]:
    """Return the edits to the nearest target, and its length. If several are nearest, the longest one counts."""
    predicted = _list_symbols(prediction.predicted)
    targets = [_list_symbols(target) for target in prediction.targets]
    distances = ((Levenshtein.distance(predicted, target), len(target)) for target in targets)
    return min(distances, key=lambda pair: (pair[0], -pair[1]))


def _list_symbols(value: Value) -> str | list[int]:
    if isinstance(value, str):
        return value
    symbols = np.atleast_1d(value)
    if symbols.size and symbols.dtype.kind not in "iu":
        raise ValueError("exact-match, edit-distance and pronunciation need targets that are text or classes")
    return symbols.tolist()

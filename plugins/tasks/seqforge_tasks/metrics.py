"""Metrics of predictions: of class labels, `accuracy` and `confusion`, and of sequences, which are compared as a whole.

The edit distance of two sequences is the smallest number of insertions, deletions and replacements of symbols that
turns one into the other (Levenshtein 1966, "Binary Codes Capable of Correcting Deletions, Insertions, and Reversals").
If an example has several correct targets, the nearest one counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from rapidfuzz.distance import Levenshtein

from seqforge.kinds import Classes, ExamplePrediction, ExampleSpec, Numbers, PredictionMetric, Quantity, Score, Value

_KEPT = 1 << 16
"""Number of predictions whose comparison is kept, since an interval of a figure scores each prediction many times."""

_HEADING_WIDTH = 6
"""Largest number of characters of a class name above a column."""


class _LabelMetric(PredictionMetric):
    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether targets are class labels, one per example or one per step."""
        return isinstance(spec.target, Classes) and spec.output_mode != "sequence"


@dataclass(frozen=True)
class Accuracy(_LabelMetric):
    """The share of correctly predicted labels."""

    quantities: ClassVar[Mapping[str, Quantity]] = {
        "overall": Quantity("labels that are predicted right", "share", "more", "{} of the labels are predicted right"),
        "of_*": Quantity(
            "labels * that are predicted right",
            "share",
            "more",
            "{} of the labels * are predicted right",
            is_detail=True,
        ),
    }

    per_class: Annotated[bool, Field(description="Also report a figure for each class.")] = False

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Return the figure `overall`, and `of_NAME` for each class, which is 0 for a class that is never a target."""
        names, counts = _count_confusions(spec, predictions)
        correct, targets = np.diag(counts), counts.sum(axis=1)
        shares = correct / np.maximum(targets, 1)
        values = {"overall": float(correct.sum() / max(targets.sum(), 1))}
        if self.per_class:
            values |= {f"of_{name}": float(share) for name, share in zip(names, shares, strict=True)}
        return Score(values)


class Confusion(_LabelMetric):
    """The confusion matrix: how often each class was predicted for each target class. It has no figures."""

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Return a report with a row per target class and a column per predicted class."""
        return Score({}, report=_format_table(*_count_confusions(spec, predictions)))


def _count_confusions(
    spec: ExampleSpec, predictions: Sequence[ExamplePrediction]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the names of the classes, and counts `[target, predicted]` over all steps of all predictions."""
    if not isinstance(spec.target, Classes):
        raise ValueError("accuracy and confusion need targets that are classes")
    names = spec.target.names
    predicted, targets = zip(*map(_pair_with_nearest, predictions), strict=True)
    pairs = len(names) * np.concatenate(targets).astype(np.int64) + np.concatenate(predicted)
    return names, np.bincount(pairs, minlength=len(names) ** 2).reshape(len(names), len(names))


@lru_cache(_KEPT)
def _pair_with_nearest(prediction: ExamplePrediction) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the predicted labels, and the target that agrees with them in the most steps."""
    predicted, *targets = map(np.atleast_1d, (prediction.predicted, *prediction.targets))
    return predicted, max(targets, key=lambda target: int((target == predicted).sum()))


def _format_table(names: Sequence[str], counts: NDArray[np.int64]) -> str:
    cells = [[str(count) if count else "·" for count in row] for row in counts.tolist()]
    rows = [[name[:_HEADING_WIDTH] for name in names], *cells]
    width = max(len(cell) for row in rows for cell in row)
    margin = max(map(len, names))
    lines = [
        " ".join([name.ljust(margin), *(cell.rjust(width) for cell in row)])
        for name, row in zip(["", *names], rows, strict=True)
    ]
    return "\n".join(["rows: target, columns: prediction", *lines])


class ExactMatch(PredictionMetric):
    """The share of predictions that are equal to a correct target in every symbol."""

    quantities: ClassVar[Mapping[str, Quantity]] = {
        "share": Quantity("predictions that are entirely right", "share", "more", "{} of the predictions are right"),
    }

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Return the figure `share`, from 0 to 1."""
        edits, _ = _count_edits(predictions)
        return Score({"share": float(np.equal(edits, 0).mean())})

    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether targets are not numbers."""
        return not isinstance(spec.target, Numbers)


class EditDistance(PredictionMetric):
    """The edit distance between predicted and target sequences, per prediction and per target symbol."""

    quantities: ClassVar[Mapping[str, Quantity]] = {
        "mean": Quantity("edits for each prediction", "number", "less", "a prediction needs {} edits on average"),
        "rate": Quantity("edits for each symbol of the targets", "number", "less", "{} edits for each right symbol"),
    }

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Return the figures `mean`, edits per prediction, and `rate`, edits per target symbol."""
        edits, lengths = _count_edits(predictions)
        return Score({"mean": float(np.mean(edits)), "rate": float(edits.sum() / max(lengths.sum(), 1))})

    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether targets are sequences whose length is independent of the input."""
        return spec.output_mode == "sequence"


def _count_edits(predictions: Sequence[ExamplePrediction]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the edits of each prediction to its nearest target, and the length of this target."""
    edits, lengths = np.array([_measure_nearest(prediction) for prediction in predictions], dtype=np.int64).T
    return edits, lengths


@lru_cache(_KEPT)
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
        raise ValueError("exact-match and edit-distance need targets that are text or classes")
    return symbols.tolist()

"""The metrics `accuracy` and `confusion`, for one class label per example or per step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqforge.kinds import Classes, ExamplePrediction, ExampleSpec, PredictionMetric, Score

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
    predicted = [np.atleast_1d(prediction.predicted) for prediction in predictions]
    targets = [_find_nearest(*pair) for pair in zip(predicted, predictions, strict=True)]
    pairs = len(names) * np.concatenate(targets).astype(np.int64) + np.concatenate(predicted)
    return names, np.bincount(pairs, minlength=len(names) ** 2).reshape(len(names), len(names))


def _find_nearest(predicted: NDArray[Any], prediction: ExamplePrediction) -> NDArray[Any]:
    """Return the target that agrees with the prediction in the most steps."""
    targets = [np.atleast_1d(target) for target in prediction.targets]
    return max(targets, key=lambda target: int((target == predicted).sum()))


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

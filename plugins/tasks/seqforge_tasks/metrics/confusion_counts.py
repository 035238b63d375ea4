"""How often each class was taken for each."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics  # pyright: ignore[reportMissingTypeStubs]

from seqforge.interfaces import Classes, ExamplePrediction, ExampleSpec


def labels(spec: ExampleSpec) -> bool:
    """Say whether classes are written one for one example, or one for one step.

    Args:
        spec: What answers would be made of.
    """
    return isinstance(spec.target, Classes) and spec.output_mode != "sequence"


def confusion_counts(
    spec: ExampleSpec, predictions: Sequence[ExamplePrediction]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Count, over all answers and all their steps.

    Args:
        spec: What the answers are made of.
        predictions: At least one; each as long as its targets.

    Returns:
        The classes' names, and counts `[right, predicted]`.

    Raises:
        ValueError: Where no classes are written.
    """
    if not isinstance(spec.target, Classes):
        raise ValueError("only classes can be confused")
    names = spec.target.names
    predicted = [np.atleast_1d(prediction.predicted) for prediction in predictions]
    right = [_nearest(found, prediction) for found, prediction in zip(predicted, predictions, strict=True)]
    count: Any = cast("Any", metrics).confusion_matrix
    counts = count(np.concatenate(right), np.concatenate(predicted), labels=range(len(names)))
    return names, counts


def _nearest(predicted: NDArray[Any], prediction: ExamplePrediction) -> NDArray[Any]:
    targets = [np.atleast_1d(target) for target in prediction.targets]
    return max(targets, key=lambda target: int((target == predicted).sum()))

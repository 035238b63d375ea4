"""How often each class was taken for each."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics  # pyright: ignore[reportMissingTypeStubs]

from seqforge.interfaces import Answer, Classes, Form


def labels(form: Form) -> bool:
    """Say whether classes are written one for one example, or one for one step.

    Args:
        form: What answers would be made of.
    """
    return isinstance(form.writes, Classes) and form.written != "sequence"


def confusion_counts(form: Form, answers: Sequence[Answer]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Count, over all answers and all their steps.

    Args:
        form: What the answers are made of.
        answers: At least one; each as long as its targets.

    Returns:
        The classes' names, and counts `[right, predicted]`.

    Raises:
        ValueError: Where no classes are written.
    """
    if not isinstance(form.writes, Classes):
        raise ValueError("only classes can be confused")
    names = form.writes.names
    predicted = [np.atleast_1d(answer.predicted) for answer in answers]
    right = [_nearest(found, answer) for found, answer in zip(predicted, answers, strict=True)]
    count: Any = cast("Any", metrics).confusion_matrix
    counts = count(np.concatenate(right), np.concatenate(predicted), labels=range(len(names)))
    return names, counts


def _nearest(predicted: NDArray[Any], answer: Answer) -> NDArray[Any]:
    targets = [np.atleast_1d(target) for target in answer.targets]
    return max(targets, key=lambda target: int((target == predicted).sum()))

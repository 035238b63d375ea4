"""The metric `accuracy`."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from seqforge.interfaces import ExamplePrediction, ExampleSpec, PredictionMetric, Score
from seqforge_tasks.metrics.confusion_counts import confusion_counts, labels


class Accuracy(PredictionMetric):
    """The share of labels that are right.

    Args:
        per_class: Whether to give the share for each class too, of the labels that should be of it.
    """

    def __init__(
        self, per_class: Annotated[bool, Field(description="Give a figure for each class too.")] = False
    ) -> None:
        self._per_class = per_class

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Compare labels.

        Args:
            spec: What the answers are made of.
            predictions: At least one; each as long as its targets.

        Returns:
            The figure `overall`, and `of_` with the name of each class; 0 of a class that is right nowhere.
        """
        names, counts = confusion_counts(spec, predictions)
        right, wanted = np.diag(counts), counts.sum(axis=1)
        shares = right / np.maximum(wanted, 1)
        values = {"overall": float(right.sum() / max(wanted.sum(), 1))}
        if self._per_class:
            values |= {f"of_{name}": float(share) for name, share in zip(names, shares, strict=True)}
        return Score(values)

    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether the targets are labels of examples, or of their steps.

        Args:
            spec: Shape of the examples.
        """
        return labels(spec)

"""The metric `confusion`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqforge.interfaces import ExamplePrediction, ExampleSpec, PredictionMetric, Score
from seqforge_tasks.metrics.confusion_counts import confusion_counts, labels

_HEADING = 6
"""Characters of a class's name that stand over its column."""


class Confusion(PredictionMetric):
    """The confusion matrix: how often each class was taken for each. It is printed; its figures are `accuracy`'s."""

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Count.

        Args:
            spec: What the answers are made of.
            predictions: At least one; each as long as its targets.

        Returns:
            A report, a row for what was right and a column for what was predicted.
        """
        return Score({}, report=_table(*confusion_counts(spec, predictions)))

    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether the targets are labels of examples, or of their steps.

        Args:
            spec: Shape of the examples.
        """
        return labels(spec)


def _table(names: Sequence[str], counts: NDArray[np.int64]) -> str:
    cells = [[str(count) if count else "·" for count in row] for row in counts.tolist()]
    rows = [[name[:_HEADING] for name in names], *cells]
    width = max(len(cell) for row in rows for cell in row)
    margin = max(map(len, names))
    lines = [
        " ".join([name.ljust(margin), *(cell.rjust(width) for cell in row)])
        for name, row in zip(["", *names], rows, strict=True)
    ]
    return "\n".join(["a row for what was right, a column for what was predicted", *lines])

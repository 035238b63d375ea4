"""The metric `exact-match`."""

from collections.abc import Sequence

from seqforge.interfaces import ExamplePrediction, ExampleSpec, Numbers, PredictionMetric, Score
from seqforge_tasks.metrics.edits import edits


class ExactMatch(PredictionMetric):
    """The share of answers that are, symbol by symbol, one of those that are right."""

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Compare whole answers.

        Args:
            spec: What they are made of.
            predictions: At least one.

        Returns:
            The figure `share`, from 0 to 1.
        """
        del spec
        return Score({"share": sum(edits(prediction).distance == 0 for prediction in predictions) / len(predictions)})

    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether the targets are anything but numbers.

        Args:
            spec: Shape of the examples.
        """
        return not isinstance(spec.target, Numbers)

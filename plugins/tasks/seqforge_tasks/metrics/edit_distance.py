"""The metric `edit-distance`."""

from collections.abc import Sequence

from seqforge.interfaces import ExamplePrediction, ExampleSpec, PredictionMetric, Score
from seqforge_tasks.metrics.edits import edits


class EditDistance(PredictionMetric):
    """How many symbols of a sequence have to be inserted, deleted or replaced to make it right.

    Levenshtein 1966, "Binary Codes Capable of Correcting Deletions, Insertions, and Reversals". Where several targets
    are right, the nearest counts.
    """

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Count edits.

        Args:
            spec: What the answers are made of.
            predictions: At least one.

        Returns:
            The figures `mean`, edits an answer, and `rate`, edits a symbol of what was right.
        """
        del spec
        counted = [edits(prediction) for prediction in predictions]
        distance = sum(one.distance for one in counted)
        length = sum(one.length for one in counted)
        return Score({"mean": distance / len(predictions), "rate": distance / max(length, 1)})

    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether the targets are new sequences, of symbols or of classes.

        Args:
            spec: Shape of the examples.
        """
        return spec.output_mode == "sequence"

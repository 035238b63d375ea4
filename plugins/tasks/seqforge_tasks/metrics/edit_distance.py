"""The metric `edit-distance`."""

from collections.abc import Sequence

from seqforge.interfaces import Answer, Form, PredictionMetric, Score
from seqforge_tasks.metrics.edits import edits


class EditDistance(PredictionMetric):
    """How many symbols of a sequence have to be inserted, deleted or replaced to make it right.

    Levenshtein 1966, "Binary Codes Capable of Correcting Deletions, Insertions, and Reversals". Where several targets
    are right, the nearest counts.
    """

    def score(self, form: Form, answers: Sequence[Answer]) -> Score:
        """Count edits.

        Args:
            form: What the answers are made of.
            answers: At least one.

        Returns:
            The figures `mean`, edits an answer, and `rate`, edits a symbol of what was right.
        """
        del form
        counted = [edits(answer) for answer in answers]
        distance = sum(one.distance for one in counted)
        length = sum(one.length for one in counted)
        return Score({"mean": distance / len(answers), "rate": distance / max(length, 1)})

    def fits(self, form: Form) -> bool:
        """Judge new sequences, of symbols or of classes.

        Args:
            form: What the answers would be made of.
        """
        return form.written == "sequence"

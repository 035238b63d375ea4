"""The metric `exact-match`."""

from collections.abc import Sequence

from seqforge.interfaces import Answer, Form, Numbers, PredictionMetric, Score
from seqforge_tasks.metrics.edits import edits


class ExactMatch(PredictionMetric):
    """The share of answers that are, symbol by symbol, one of those that are right."""

    def score(self, form: Form, answers: Sequence[Answer]) -> Score:
        """Compare whole answers.

        Args:
            form: What they are made of.
            answers: At least one.

        Returns:
            The figure `share`, from 0 to 1.
        """
        del form
        return Score({"share": sum(edits(answer).distance == 0 for answer in answers) / len(answers)})

    def fits(self, form: Form) -> bool:
        """Judge anything but numbers.

        Args:
            form: What the answers would be made of.
        """
        return not isinstance(form.writes, Numbers)

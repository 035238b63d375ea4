"""Metrics of predictions: what is said of what a model wrote, beside what was right."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from seqforge.interfaces.example_spec import ExampleSpec
from seqforge.interfaces.labelled_corpus import Value
from seqforge.interfaces.metric import Score


@dataclass(frozen=True, slots=True, eq=False)
class ExamplePrediction:
    """What a model wrote for one example.

    Attributes:
        name: The example's.
        predicted: What was written, in the form's terms: of text a `str`, of one class its index, of numbers or of
            several classes an array.
        targets: What was right, in the same terms: one, or several that are as right.
    """

    name: str
    predicted: Value
    targets: tuple[Value, ...]


class PredictionMetric(ABC):
    """Judges the answers to the examples of a split."""

    @abstractmethod
    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Judge answers.

        Args:
            spec: What they are made of.
            predictions: At least one; what was predicted may be of any length.

        Raises:
            ValueError: Where the metric has nothing to say of this form.
        """

    @abstractmethod
    def fits(self, spec: ExampleSpec) -> bool:
        """Say whether the metric can judge answers of a form; an experiment is checked by it.

        Args:
            spec: What the answers would be made of.
        """

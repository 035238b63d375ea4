"""Metrics of predictions: scores of predictions for labelled examples against their targets."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from seqforge.interfaces.example_spec import ExampleSpec
from seqforge.interfaces.labelled_corpus import Value
from seqforge.interfaces.metric import Score


@dataclass(frozen=True, slots=True, eq=False)
class ExamplePrediction:
    """A prediction for one example.

    Attributes:
        name: Name of the example.
        predicted: Predicted value: a `str` for text, an index for one class, an array for numbers or several classes.
        targets: Targets of the same kind: one, or several that are equally correct.
    """

    name: str
    predicted: Value
    targets: tuple[Value, ...]


class PredictionMetric(ABC):
    """A metric of the predictions for the examples of a split."""

    @abstractmethod
    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        """Score at least one prediction. A predicted sequence may have any length.

        Raises:
            ValueError: If the metric does not apply to this shape.
        """

    @classmethod
    @abstractmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether the metric can score predictions of a shape.

        An experiment is checked with it before any component is built.
        """

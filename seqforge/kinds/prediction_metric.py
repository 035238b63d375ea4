"""Metrics of predictions, which compare the predictions for labelled examples with their targets."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from seqforge.kinds.example_spec import ExampleSpec
from seqforge.kinds.labelled_corpus import Value
from seqforge.kinds.metric import Score


@dataclass(frozen=True, slots=True, eq=False)
class ExamplePrediction:
    """A prediction for one example.

    Attributes:
        name: Name of the example.
        predicted: Predicted value.
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
            ValueError: If the metric cannot score predictions for examples of this shape.
        """

    @classmethod
    @abstractmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        """Return whether the metric can score predictions for examples of a shape.

        The engine calls it to check an experiment, before any component is built.
        """

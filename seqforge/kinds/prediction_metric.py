"""Metrics of predictions, which compare the predictions for labelled examples with their targets."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from seqforge.errors import DataError
from seqforge.kinds.example_spec import Classes, ExampleSpec, Numbers, Text, Value
from seqforge.kinds.metric import Score, describe_score


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


EXAMPLE_SPECS: tuple[tuple[ExampleSpec, Value, Value], ...] = (
    (ExampleSpec(Text(), "sequence", Classes(("no", "yes")), "once"), 1, 0),
    (ExampleSpec(Text(), "sequence", Classes(("no", "yes")), "every step"), np.array([0, 1]), np.array([1, 1])),
    (ExampleSpec(Text(), "sequence", Text(), "sequence"), "abc", "abd"),
    (ExampleSpec(Numbers(2), "sequence", Numbers(2), "once"), np.zeros(2), np.ones(2)),
    (ExampleSpec(Numbers(2), "sequence", Numbers(2), "every step"), np.zeros((3, 2)), np.ones((3, 2))),
)
"""Shapes of examples, each with a predicted value and a target."""


def trial(build: Callable[[], PredictionMetric]) -> str:
    """Score a prediction of every shape that the metric fits.

    Raises:
        PluginError: If a result is not a `Score` of finite values.
        DataError: If it fits no shape of examples that is tried.
    """
    metric = build()
    shown = [
        describe_score(metric, metric.score(spec, [ExamplePrediction("one", predicted, (target,))]))
        for spec, predicted, target in EXAMPLE_SPECS
        if type(metric).fits(spec)
    ]
    if not shown:
        raise DataError("imported and built; it fits none of the shapes of examples that are tried")
    return shown[-1]

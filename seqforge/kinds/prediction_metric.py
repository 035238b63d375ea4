"""Metrics of predictions, which compare the predictions for labelled examples with their targets."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from seqforge.kinds.example_spec import Classes, ExampleSpec, Numbers, Text, Value
from seqforge.kinds.metric import Quantity, Score, check_quantities

__all__ = ["ExamplePrediction", "PredictionMetric"]


@dataclass(frozen=True, slots=True, eq=False)
class ExamplePrediction:
    """A prediction for one example.

    Attributes:
        name: Name of the example.
        input: Input that the model read.
        predicted: Predicted value.
        targets: Targets of the same kind: one, or several that are equally correct.
    """

    name: str
    input: Value
    predicted: Value
    targets: tuple[Value, ...]


class PredictionMetric(ABC):
    """A metric of the predictions for the examples of a split.

    Attributes:
        quantities: What the values mean, as those of a `Metric`.
    """

    quantities: ClassVar[Mapping[str, Quantity]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_quantities(cls, cls.quantities)

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


_NAMES = Classes(("a", "b", "c"))
SPECS = {
    "a class": ExampleSpec(Numbers(2), "vector", _NAMES, "once"),
    "a class for every step": ExampleSpec(Text(), "sequence", _NAMES, "every step"),
    "a sequence of classes": ExampleSpec(Text(), "sequence", _NAMES, "sequence"),
    "text": ExampleSpec(Numbers(2), "sequence", Text(), "sequence"),
    "numbers": ExampleSpec(Numbers(2), "vector", Numbers(3), "once"),
    "numbers for every step": ExampleSpec(Numbers(2), "sequence", Numbers(1), "every step"),
}
"""An example spec for each kind of target, with which a metric is tried."""


def example_predictions(spec: ExampleSpec, *, right: bool) -> list[ExamplePrediction]:
    """Return three predictions, each with two targets of different lengths; if right, the first is predicted."""
    made: list[ExamplePrediction] = []
    for number in range(3):
        targets = tuple(
            _value(spec, number + which, 2 if spec.output_mode == "every step" else 1 + which) for which in (0, 1)
        )
        predicted = targets[0] if right else _value(spec, number + 2, 2)
        made.append(ExamplePrediction(f"example-{number}", _input(spec, number), predicted, targets))
    return made


def _input(spec: ExampleSpec, seed: int) -> Value:
    if isinstance(spec.input, Text):
        return "abc"[seed % 3] * 2
    numbers = np.full((2, spec.input.size), seed, dtype=np.float32)
    return numbers if spec.input_kind == "sequence" else numbers[0]


def _value(spec: ExampleSpec, seed: int, steps: int) -> Value:
    match spec.target:
        case Text():
            return "abc"[seed % 3] * steps
        case Classes(names):
            indices = (np.arange(steps) + seed) % len(names)
            return int(indices[0]) if spec.output_mode == "once" else indices
        case Numbers(size):
            numbers = np.linspace(seed, seed + 1, steps * size, dtype=np.float32).reshape(steps, size)
            return numbers[0] if spec.output_mode == "once" else numbers

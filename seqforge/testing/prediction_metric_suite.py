"""The conformance suite of metrics of predictions, for subclasses in the tests of a plugin."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from seqforge.kinds import (
    Classes,
    ExamplePrediction,
    ExampleSpec,
    Numbers,
    PredictionMetric,
    Score,
    Text,
    Value,
)
from seqforge.testing.conformance import Suite, calling, fail
from seqforge.testing.metric_suite import validated

PredictionMetricFactory = Callable[[], PredictionMetric]
"""Function that returns a metric: a class or `partial(Class, option=…)`."""

_NAMES = Classes(("a", "b", "c"))
SPECS = {
    "a class": ExampleSpec(Numbers(2), "vector", _NAMES, "once"),
    "a class for every step": ExampleSpec(Text(), "sequence", _NAMES, "every step"),
    "a sequence of classes": ExampleSpec(Text(), "sequence", _NAMES, "sequence"),
    "text": ExampleSpec(Numbers(2), "sequence", Text(), "sequence"),
    "numbers": ExampleSpec(Numbers(2), "vector", Numbers(3), "once"),
    "numbers for every step": ExampleSpec(Numbers(2), "sequence", Numbers(1), "every step"),
}
"""An example spec for each kind of target."""


class PredictionMetricSuite(Suite):
    """Tests that every metric of predictions must pass. List yours in a subclass whose name begins with `Test`.

    ```python
    class TestF1(PredictionMetricSuite):
        metrics: ClassVar = {"plain": F1}
    ```

    Attributes:
        metrics: Functions that return a metric, by name.
    """

    table: ClassVar[str] = "metrics"
    metrics: ClassVar[Mapping[str, PredictionMetricFactory]]

    def test_the_metric_fits_some_shapes(self, make: PredictionMetricFactory) -> None:
        """`fits` answers True or False for every shape, and True for at least one."""
        metric = _build(make)
        fitting = [name for name, spec in SPECS.items() if _fits(make, metric, spec, name)]
        if not fitting:
            fail(make, "`fits` is False for every shape", expected=f"True for one of: {', '.join(SPECS)}")

    def test_predictions_of_a_shape_that_fits_are_scored(self, make: PredictionMetricFactory) -> None:
        """Right, wrong, short and empty predictions have finite values with the same names."""
        metric = _build(make)
        for kind, spec in _fitting(make, metric).items():
            right, wrong = _predictions(spec, right=True), _predictions(spec, right=False)
            cases = {"right": right, "wrong": wrong, "right and wrong": [*right, *wrong], "a single": right[:1]}
            if spec.output_mode == "sequence":
                cases["empty"] = [_empty(prediction) for prediction in right]
            expected: set[str] | None = None
            for name, predictions in cases.items():
                found = set(_score(make, metric, spec, predictions, f"{name} predictions of {kind}").values)
                expected = found if expected is None else expected
                if found != expected:
                    problem = f"the names of the values differ for {name} predictions of {kind}"
                    fail(make, problem, expected=sorted(expected), got=sorted(found))

    def test_the_order_of_predictions_does_not_matter(self, make: PredictionMetricFactory) -> None:
        """Predictions in another order have the same values, and so have alternative targets."""
        metric = _build(make)
        for kind, spec in _fitting(make, metric).items():
            predictions = [*_predictions(spec, right=True), *_predictions(spec, right=False)]
            swapped = [
                ExamplePrediction(each.name, each.predicted, each.targets[::-1]) for each in reversed(predictions)
            ]
            first = _score(make, metric, spec, predictions, kind).values
            again = _score(make, metric, spec, swapped, kind).values
            for name, value in first.items():
                if not math.isclose(value, again[name], rel_tol=1e-6, abs_tol=1e-9):
                    problem = f"the value {name!r} for {kind} depends on the order of the predictions or targets"
                    fail(make, problem, expected=f"{value:.6g}", got=f"{again[name]:.6g}")

    def test_other_shapes_are_a_value_error(self, make: PredictionMetricFactory) -> None:
        """Predictions of a shape that does not fit are scored, or raise a `ValueError`, and no other exception."""
        metric = _build(make)
        for kind, spec in SPECS.items():
            if not _fits(make, metric, spec, kind):
                try:
                    with calling(make, f"`score` of predictions of {kind}, which it does not fit,", ValueError):
                        metric.score(spec, _predictions(spec, right=True))
                except ValueError as error:
                    if not str(error):
                        fail(make, f"the ValueError for predictions of {kind} has no message")


def _build(make: PredictionMetricFactory) -> PredictionMetric:
    with calling(make, "`__init__`"):
        return make()


def _fits(make: PredictionMetricFactory, metric: PredictionMetric, spec: ExampleSpec, kind: str) -> bool:
    with calling(make, f"`fits` of {kind}"):
        fits: Any = type(metric).fits(spec)
    if not isinstance(fits, bool):
        fail(make, f"`fits` of {kind} is neither True nor False", got=repr(fits))
    return fits


def _fitting(make: PredictionMetricFactory, metric: PredictionMetric) -> dict[str, ExampleSpec]:
    return {name: spec for name, spec in SPECS.items() if _fits(make, metric, spec, name)}


def _score(
    make: PredictionMetricFactory,
    metric: PredictionMetric,
    spec: ExampleSpec,
    predictions: Sequence[ExamplePrediction],
    shown: str,
) -> Score:
    with calling(make, f"`score` of {shown}"):
        score: Any = metric.score(spec, list(predictions))
    return validated(make, score, shown)


def _predictions(spec: ExampleSpec, *, right: bool) -> list[ExamplePrediction]:
    """Return three predictions, each with two targets of different lengths; if right, the first is predicted."""
    made: list[ExamplePrediction] = []
    for number in range(3):
        targets = tuple(
            _value(spec, number + which, 2 if spec.output_mode == "every step" else 1 + which) for which in (0, 1)
        )
        predicted = targets[0] if right else _value(spec, number + 2, 2)
        made.append(ExamplePrediction(f"example-{number}", predicted, targets))
    return made


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


def _empty(prediction: ExamplePrediction) -> ExamplePrediction:
    predicted = "" if isinstance(prediction.predicted, str) else np.zeros(0, dtype=np.int64)
    return ExamplePrediction(prediction.name, predicted, prediction.targets)

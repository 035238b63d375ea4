"""The conformance suite of metrics of predictions, for subclasses in the tests of a plugin."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from seqforge.faults import place_of
from seqforge.kinds import ExamplePrediction, ExampleSpec, PredictionMetric
from seqforge.kinds.prediction_metric import SPECS, example_predictions
from seqforge.testing.conformance import Factory, Suite, fail
from seqforge.testing.metric_suite import validated


class PredictionMetricSuite(Suite, kind="metric"):
    """Tests that every metric of predictions must pass. List yours in a subclass whose name begins with `Test`.

    ```python
    class TestF1(PredictionMetricSuite):
        metrics: ClassVar = {"plain": F1}
    ```

    Attributes:
        metrics: Functions that return a metric, by name.
    """

    metrics: ClassVar[Mapping[str, Factory[PredictionMetric]]]

    def test_the_metric_fits_some_shapes(self, make: Factory[PredictionMetric]) -> None:
        """`fits` answers True or False for every shape, and True for at least one."""
        if not _fitting(make, make()):
            fail(make, "`fits` is False for every shape", expected=f"True for one of: {', '.join(SPECS)}")

    def test_predictions_of_a_shape_that_fits_are_scored(self, make: Factory[PredictionMetric]) -> None:
        """Right, wrong, short and empty predictions have finite values with the same names."""
        metric = make()
        for kind, spec in _fitting(make, metric).items():
            right, wrong = example_predictions(spec, right=True), example_predictions(spec, right=False)
            cases = {"right": right, "wrong": wrong, "right and wrong": [*right, *wrong], "a single": right[:1]}
            if spec.output_mode == "sequence":
                cases["empty"] = [_empty(prediction) for prediction in right]
            expected: set[str] | None = None
            for name, predictions in cases.items():
                score = validated(make, metric.score(spec, predictions), f"{name} predictions of {kind}")
                found = set(score.values)
                expected = found if expected is None else expected
                if found != expected:
                    problem = f"the names of the values differ for {name} predictions of {kind}"
                    fail(make, problem, expected=sorted(expected), got=sorted(found))

    def test_the_order_of_predictions_does_not_matter(self, make: Factory[PredictionMetric]) -> None:
        """Predictions in another order have the same values, and so have alternative targets."""
        metric = make()
        for kind, spec in _fitting(make, metric).items():
            predictions = [*example_predictions(spec, right=True), *example_predictions(spec, right=False)]
            swapped = [
                ExamplePrediction(each.name, each.predicted, each.targets[::-1]) for each in reversed(predictions)
            ]
            first = validated(make, metric.score(spec, predictions), kind).values
            again = validated(make, metric.score(spec, swapped), kind).values
            for name, value in first.items():
                if not math.isclose(value, again[name], rel_tol=1e-6, abs_tol=1e-9):
                    problem = f"the value {name!r} for {kind} depends on the order of the predictions or targets"
                    fail(make, problem, expected=f"{value:.6g}", got=f"{again[name]:.6g}")

    def test_other_shapes_are_a_value_error(self, make: Factory[PredictionMetric]) -> None:
        """Predictions of a shape that does not fit are scored, or raise a `ValueError`, and no other exception."""
        metric = make()
        for kind, spec in SPECS.items():
            if not _fits(make, metric, spec, kind):
                try:
                    metric.score(spec, example_predictions(spec, right=True))
                except ValueError as error:
                    if not str(error):
                        fail(make, f"the ValueError for predictions of {kind} has no message")
                except Exception as error:  # noqa: BLE001 - the message describes it
                    problem = f"`score` of predictions of {kind}, which it does not fit, raises {type(error).__name__}"
                    fail(make, f"{problem}: {error}{place_of(error)}", expected="a ValueError")


def _fits(make: Factory[PredictionMetric], metric: PredictionMetric, spec: ExampleSpec, kind: str) -> bool:
    fits: Any = type(metric).fits(spec)
    if not isinstance(fits, bool):
        fail(make, f"`fits` of {kind} is neither True nor False", got=repr(fits))
    return fits


def _fitting(make: Factory[PredictionMetric], metric: PredictionMetric) -> dict[str, ExampleSpec]:
    return {name: spec for name, spec in SPECS.items() if _fits(make, metric, spec, name)}


def _empty(prediction: ExamplePrediction) -> ExamplePrediction:
    predicted = "" if isinstance(prediction.predicted, str) else np.zeros(0, dtype=np.int64)
    return ExamplePrediction(prediction.name, predicted, prediction.targets)

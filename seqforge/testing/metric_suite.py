"""The conformance suite of metrics of generated text, for subclasses in the tests of a plugin."""

import math
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from seqforge.faults import place_of
from seqforge.kinds import ExamplePrediction, ExampleSpec, FittedMetric, Metric, PredictionMetric, Score
from seqforge.kinds.metric import name_quantities, validate_score
from seqforge.kinds.prediction_metric import SPECS, example_predictions
from seqforge.testing.conformance import Factory, Suite, fail

TEXTS = (
    'int f(void)\n{\n\treturn g(1, "a\\n");\n}\n\n/* a comment */\n',
    "The cat sat on the mat. The cat sat.\r\n\r\nThe end\n",
    "no line break at the end ((",
    "é 漢字 😀 \u0301\u2028 ends }",
)
"""Texts that a metric of code or prose may score."""

HOSTILE = ("", " ", "\n", "\0\x7f\x1b", "\ud800", "(" * 3000, "a" * 3000, "\n" * 500, "\u202e\ufeff\u2028\r")
"""Texts that a model can generate: none, blanks, control characters, lone surrogates, and long repetitions."""


class MetricSuite(Suite, kind="metric"):
    """Tests that every metric of generated text must pass, listed as those of `CellSuite`.

    Attributes:
        metrics: Functions that return a metric, by name.
        texts: Texts to score, for which the values differ.
    """

    metrics: ClassVar[Mapping[str, Factory[Metric]]]
    texts: ClassVar[Sequence[str]] = TEXTS

    def test_any_text_is_scored(self, make: Factory[Metric]) -> None:
        """Any text, also an empty one and none at all, has finite values with the same names."""
        with self._fitted(make) as metric:
            names = set(score_of(make, metric, self.texts).values)
            for texts in ([], list(HOSTILE), *([text] for text in HOSTILE)):
                shown = f"{texts[0][:10]!r}" if len(texts) == 1 else f"{len(texts)} texts"
                found = set(score_of(make, metric, texts).values)
                if found != names:
                    problem = f"the names of the values differ for {shown}"
                    fail(make, problem, expected=sorted(names), got=sorted(found))

    def test_values_state_their_meaning(self, make: Factory[Metric]) -> None:
        """Each value has a `Quantity`, with a sentence in which {} stands for the value."""
        with self._fitted(make) as metric:
            _require_meanings(make, metric, score_of(make, metric, self.texts))

    def test_findings_are_inside_the_texts(self, make: Factory[Metric]) -> None:
        """Each finding has the index of a text, a part of it, and a message."""
        with self._fitted(make) as metric:
            for texts in (list(self.texts), list(HOSTILE)):
                for finding in score_of(make, metric, texts).findings:
                    is_inside = 0 <= finding.text < len(texts) and 0 <= finding.start <= finding.stop
                    if not is_inside or finding.stop > len(texts[finding.text]):
                        fail(make, f"the finding {finding} is outside of the texts")
                    if not finding.message:
                        fail(make, f"the finding {finding} has no message")

    def test_the_order_of_texts_does_not_matter(self, make: Factory[Metric]) -> None:
        """Texts in another order, or scored again, have the same values."""
        with self._fitted(make) as metric:
            first = score_of(make, metric, self.texts)
            for problem, texts in (
                ("when the texts are scored again", self.texts),
                ("when the texts are in another order", self.texts[::-1]),
            ):
                _require_values(make, problem, score_of(make, metric, texts), first.values)

    def test_weights_are_sample_sizes(self, make: Factory[Metric]) -> None:
        """A weight is the sample size of its value, so that the weighted mean over groups is the value of all texts."""
        with self._fitted(make) as metric:
            whole = score_of(make, metric, self.texts)
            parts = [score_of(make, metric, [text]) for text in self.texts]
            for name, weight in whole.weights.items():
                if name not in whole.values:
                    problem = f"the weight {name!r} belongs to no value"
                    fail(make, problem, expected=f"one of {sorted(whole.values)}")
                weights = [part.weights.get(name, 1.0) for part in parts]
                if not all(0 <= each < math.inf for each in (weight, *weights)):
                    fail(make, f"the weight of {name!r} is not finite and at least 0", got=weight)
                if not math.isclose(sum(weights), weight, rel_tol=1e-6, abs_tol=1e-9):
                    problem = f"the weight of {name!r} is not a sample size: those of single texts do not add up"
                    fail(make, problem, expected=weight, got=sum(weights))
                if weight:
                    total = sum(part.values[name] * each for part, each in zip(parts, weights, strict=True))
                    _require_values(
                        make, "when averaged by its weight over single texts", whole, {name: total / weight}
                    )

    def test_the_files_of_a_fitted_metric_can_be_restored(self, make: Factory[Metric]) -> None:
        """Another metric that restores the files which `fit` has written gives the same scores."""
        with self._fitted(make) as metric, self._fitted(make, again=True) as restored:
            expected = score_of(make, metric, self.texts).values
            _require_values(make, "after `restore`", score_of(make, restored, self.texts), expected)

    @contextmanager
    def _fitted(self, make: Factory[Metric], *, again: bool = False) -> Generator[Metric]:
        """Fit a metric to the texts, if it depends on the training text, and with `again` restore it in another one."""
        metric = make()
        # Windows does not delete files that the metric maps.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            if isinstance(metric, FittedMetric):
                metric.fit(iter([*self.texts, *HOSTILE]), Path(folder))
                metric = cast("FittedMetric", make()) if again else metric
                metric.restore(Path(folder))
            yield metric


def score_of(make: Any, metric: Metric, texts: Sequence[str]) -> Score:
    """Return the score of texts, after checking that its values are finite numbers."""
    return validated(make, metric.score(list(texts)), f"{len(texts)} texts" if len(texts) != 1 else repr(texts[0][:10]))


def validated(make: Any, score: Any, shown: str) -> Score:
    """Return a score, after checking that it is one and that its values are finite numbers."""
    try:
        return validate_score(score)
    except (TypeError, ValueError) as error:
        fail(make, f"`score` of {shown}: {error}", expected="finite numbers; 0 with a weight of 0 if there is none")


def _require_values(make: Any, problem: str, score: Score, expected: Mapping[str, float]) -> None:
    for name, value in expected.items():
        if not math.isclose(got := score.values[name], value, rel_tol=1e-6, abs_tol=1e-9):
            fail(make, f"the value {name!r} differs {problem}", expected=f"{value:.6g}", got=f"{got:.6g}")


def _require_meanings(make: Any, metric: Metric | PredictionMetric, score: Score) -> None:
    meanings = name_quantities(metric.quantities, score.values)
    for name in score.values:
        if name not in meanings:
            fail(make, f"`quantities` does not say what the value {name!r} means")
        if "{}" not in meanings[name].sentence:
            fail(make, f"the sentence of the value {name!r} has no {{}}, which stands for the value")


class PredictionMetricSuite(Suite, kind="metric"):
    """Tests that every metric of predictions must pass, listed as those of `CellSuite`."""

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

    def test_values_state_their_meaning(self, make: Factory[PredictionMetric]) -> None:
        """Each value has a `Quantity`, with a sentence in which {} stands for the value."""
        metric = make()
        for kind, spec in _fitting(make, metric).items():
            score = validated(make, metric.score(spec, example_predictions(spec, right=True)), kind)
            _require_meanings(make, metric, score)

    def test_the_order_of_predictions_does_not_matter(self, make: Factory[PredictionMetric]) -> None:
        """Predictions in another order have the same values, and so have alternative targets."""
        metric = make()
        for kind, spec in _fitting(make, metric).items():
            predictions = [*example_predictions(spec, right=True), *example_predictions(spec, right=False)]
            swapped = [replace(each, targets=each.targets[::-1]) for each in reversed(predictions)]
            first, again = (validated(make, metric.score(spec, each), kind) for each in (predictions, swapped))
            _require_values(make, f"for {kind} in another order of predictions or targets", again, first.values)

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
    return replace(prediction, predicted=predicted)

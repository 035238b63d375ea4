"""The conformance suite of metrics of generated text, for subclasses in the tests of a plugin."""

import math
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, cast

from seqforge.errors import DataError
from seqforge.faults import require_right
from seqforge.kinds import FittedMetric, IndexedMetric, Metric, Score
from seqforge.kinds.metric import finding_fault, state_fault, validate_score
from seqforge.testing.conformance import Factory, Suite, fail, require_no_fault

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
    """Tests that every metric of generated text must pass. List yours in a subclass whose name begins with `Test`.

    ```python
    class TestLineLength(MetricSuite):
        metrics: ClassVar = {"plain": LineLength, "short": partial(LineLength, limit=5)}
    ```

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

    def test_findings_are_inside_the_texts(self, make: Factory[Metric]) -> None:
        """Each finding has the index of a text, a part of it, and a message."""
        with self._fitted(make) as metric:
            for texts in (list(self.texts), list(HOSTILE)):
                for finding in score_of(make, metric, texts).findings:
                    require_no_fault(make, finding_fault(finding, texts))

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

    def test_a_fitted_state_can_be_restored(self, make: Factory[Metric]) -> None:
        """A metric that restores a fitted state gives the same scores, and refuses a damaged state."""
        with self._fitted(make) as metric:
            if not isinstance(metric, FittedMetric):
                return
            restored, damaged = cast("FittedMetric", make()), cast("FittedMetric", make())
            state: Any = metric.state()
            require_right(metric.state, state_fault(state))
            restored.restore(state)
            expected = score_of(make, metric, self.texts).values
            _require_values(make, "after `restore`", score_of(make, restored, self.texts), expected)
            try:
                damaged.restore(b"\xff\x00 not a state")
            except DataError:
                return
            fail(make, "`restore` accepts a damaged state", expected="a DataError, after which the engine calls `fit`")

    @contextmanager
    def _fitted(self, make: Factory[Metric]) -> Generator[Metric]:
        """Fit a metric to the texts, if it depends on the training text."""
        metric = make()
        documents = iter([*self.texts, *HOSTILE])
        with tempfile.TemporaryDirectory() as folder:
            if isinstance(metric, FittedMetric):
                metric.fit(documents)
            if isinstance(metric, IndexedMetric):
                metric.write_index(documents, Path(folder))
                metric = cast("IndexedMetric", make())
                metric.open_index(Path(folder))
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

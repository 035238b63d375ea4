"""Metrics of text and of predictions that are wrong."""

import json

import numpy as np

from seeded_bugs.bug import Bug
from seqforge.errors import DataError
from seqforge.kinds import Classes, Finding, FittedMetric, Metric, PredictionMetric, Score
from seqforge.testing import MetricSuite, PredictionMetricSuite


class LineLength(Metric):
    """A correct metric: the mean length of lines."""

    def score(self, texts):
        lengths = [len(line) for text in texts for line in text.splitlines()]
        return Score({"mean": sum(lengths) / max(len(lengths), 1)}, weights={"mean": len(lengths)})


class MeanOfNoLines(LineLength):
    """A text without a line divides by 0."""

    def score(self, texts):
        lengths = [len(line) for text in texts for line in text.splitlines()]
        return Score({"mean": sum(lengths) / len(lengths)}, weights={"mean": len(lengths)})


class NotANumber(LineLength):
    """The mean of no line is NaN."""

    def score(self, texts):
        score = super().score(texts)
        return Score({"mean": score.values["mean"] if score.weights["mean"] else float("nan")}, weights=score.weights)


class NamesOfTheLines(LineLength):
    """A value has the name of what it counts."""

    def score(self, texts):
        return Score({word: 1.0 for text in texts for word in text.split()})


class FindingsInTheJoinedText(LineLength):
    """Positions of findings are those in all texts joined."""

    def score(self, texts):
        joined = "".join(texts)
        places = [index for index, character in enumerate(joined) if character == "("]
        findings = tuple(Finding(0, place, place + 1, "a bracket") for place in places)
        return Score({"brackets": float(len(places))}, findings)


class FirstTextOnly(LineLength):
    """Only the first text is scored."""

    def score(self, texts):
        return super().score(texts[:1])


class WeightOfTexts(LineLength):
    """The weight of a mean over lines is the number of texts."""

    def score(self, texts):
        score = super().score(texts)
        return Score(score.values, weights={"mean": len(texts)})


class Vocabulary(FittedMetric):
    """A correct metric that depends on the training text."""

    def fit(self, documents):
        self.words = {word for document in documents for word in document.split()}

    def state(self):
        return json.dumps(sorted(self.words)).encode()

    def restore(self, state):
        try:
            self.words = set(json.loads(state))
        except ValueError as error:
            raise DataError("not a list of words") from error

    def score(self, texts):
        words = [word for text in texts for word in text.split()]
        known = sum(word in self.words for word in words)
        return Score({"known": known / max(len(words), 1)}, weights={"known": len(words)})


class DamagedStateIsAValueError(Vocabulary):
    """A damaged state is a `ValueError`."""

    def restore(self, state):
        self.words = set(json.loads(state))


class StateWithoutLongWords(Vocabulary):
    """The state leaves words out."""

    def state(self):
        return json.dumps([word for word in self.words if len(word) < 4]).encode()


class ExactMatch(PredictionMetric):
    """A correct metric: the share of predictions that equal one of the targets."""

    @classmethod
    def fits(cls, spec):
        return isinstance(spec.target, Classes)

    def score(self, spec, predictions):
        if not self.fits(spec):
            raise ValueError("it needs classes")
        right = [any(np.array_equal(each.predicted, target) for target in each.targets) for each in predictions]
        return Score({"share": sum(right) / len(right)})


class FitsNothing(ExactMatch):
    """`fits` compares with a class that no spec has."""

    @classmethod
    def fits(cls, spec):
        return spec.target is Classes


class EqualLengths(ExactMatch):
    """Predictions must be as long as targets."""

    def score(self, spec, predictions):
        pairs = [(np.atleast_1d(each.predicted), np.atleast_1d(each.targets[0])) for each in predictions]
        right = [one == other for pair in pairs for one, other in zip(*pair, strict=True)]
        return Score({"share": sum(right) / len(right)})


class EmptyIsNotANumber(ExactMatch):
    """The mean over an empty prediction is NaN."""

    def score(self, spec, predictions):
        steps = sum(np.size(each.predicted) for each in predictions)
        return Score({"share": super().score(spec, predictions).values["share"] * (steps / steps if steps else np.nan)})


class FirstTargetOnly(ExactMatch):
    """Only the first of several targets counts."""

    def score(self, spec, predictions):
        right = [np.array_equal(each.predicted, each.targets[0]) for each in predictions]
        return Score({"share": sum(right) / len(right)})


class AttributeOfClasses(ExactMatch):
    """Predictions that are not classes are an `AttributeError`."""

    def score(self, spec, predictions):
        return Score({f"of_{spec.target.names[0]}": 1.0})


BUGS = (
    Bug(MetricSuite, "test_any_text_is_scored", MeanOfNoLines, "`score(texts=[])` raises ZeroDivisionError"),
    Bug(MetricSuite, "test_any_text_is_scored", NotANumber, "`score` of 0 texts: its value 'mean' is nan"),
    Bug(MetricSuite, "test_any_text_is_scored", NamesOfTheLines, "the names of the values differ for 0 texts"),
    Bug(MetricSuite, "test_findings_are_inside_the_texts", FindingsInTheJoinedText, "is outside of the texts"),
    Bug(
        MetricSuite,
        "test_the_order_of_texts_does_not_matter",
        FirstTextOnly,
        "the value 'mean' differs when the texts are in another order",
    ),
    Bug(
        MetricSuite,
        "test_weights_are_sample_sizes",
        WeightOfTexts,
        "the value 'mean' differs when averaged by its weight over single texts",
    ),
    Bug(
        MetricSuite,
        "test_a_fitted_state_can_be_restored",
        DamagedStateIsAValueError,
        "`restore(state=…)` raises JSONDecodeError",
    ),
    Bug(
        MetricSuite,
        "test_a_fitted_state_can_be_restored",
        StateWithoutLongWords,
        "the value 'known' differs after `restore`",
    ),
    Bug(PredictionMetricSuite, "test_the_metric_fits_some_shapes", FitsNothing, "`fits` is False for every shape"),
    Bug(
        PredictionMetricSuite,
        "test_predictions_of_a_shape_that_fits_are_scored",
        EqualLengths,
        "`score(spec=ExampleSpec(…, predictions=[ExamplePrediction(…)` raises ValueError",
    ),
    Bug(
        PredictionMetricSuite,
        "test_predictions_of_a_shape_that_fits_are_scored",
        EmptyIsNotANumber,
        "`score` of empty predictions of a sequence of classes: its value 'share' is nan",
    ),
    Bug(
        PredictionMetricSuite,
        "test_the_order_of_predictions_does_not_matter",
        FirstTargetOnly,
        "the value 'share' for a class depends on the order of the predictions or targets",
    ),
    Bug(
        PredictionMetricSuite,
        "test_other_shapes_are_a_value_error",
        AttributeOfClasses,
        "`score` of predictions of text, which it does not fit, raises AttributeError",
    ),
)

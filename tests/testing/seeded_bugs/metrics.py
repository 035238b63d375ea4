"""Metrics of text and of predictions that are wrong."""

import json
from typing import ClassVar

import numpy as np

from seeded_bugs.bug import bug
from seqforge.kinds import Classes, Finding, FittedMetric, Metric, PredictionMetric, Quantity, Score
from seqforge.testing.metric_suite import MetricSuite, PredictionMetricSuite


class LineLength(Metric):
    """A correct metric: the mean length of lines."""

    quantities: ClassVar = {
        "mean": Quantity("mean length of a line", "number", "neither", "lines have {} characters on average")
    }

    def score(self, texts):
        lengths = [len(line) for text in texts for line in text.splitlines()]
        return Score({"mean": sum(lengths) / max(len(lengths), 1)}, weights={"mean": len(lengths)})


@bug(MetricSuite, "test_any_text_is_scored", "`score(texts=[])` raises ZeroDivisionError")
class MeanOfNoLines(LineLength):
    """A text without a line divides by 0."""

    def score(self, texts):
        lengths = [len(line) for text in texts for line in text.splitlines()]
        return Score({"mean": sum(lengths) / len(lengths)}, weights={"mean": len(lengths)})


@bug(MetricSuite, "test_any_text_is_scored", "`score` of 0 texts: its value 'mean' is nan")
class NotANumber(LineLength):
    """The mean of no line is NaN."""

    def score(self, texts):
        score = super().score(texts)
        return Score({"mean": score.values["mean"] if score.weights["mean"] else float("nan")}, weights=score.weights)


@bug(MetricSuite, "test_any_text_is_scored", "the names of the values differ for 0 texts")
class NamesOfTheLines(LineLength):
    """A value has the name of what it counts."""

    def score(self, texts):
        return Score({word: 1.0 for text in texts for word in text.split()})


@bug(MetricSuite, "test_values_state_their_meaning", "`quantities` does not say what the value 'lines' means")
class ValueWithoutAMeaning(LineLength):
    """A value was added without its `Quantity`."""

    def score(self, texts):
        score = super().score(texts)
        return Score({**score.values, "lines": score.weights["mean"]}, weights=score.weights)


@bug(MetricSuite, "test_values_state_their_meaning", "the sentence of the value 'mean' has no {}")
class SentenceWithoutTheValue(LineLength):
    """The sentence leaves the value out."""

    quantities: ClassVar = {"mean": Quantity("mean length of a line", "number", "neither", "lines have a length")}


@bug(MetricSuite, "test_findings_are_inside_the_texts", "is outside of the texts")
class FindingsInTheJoinedText(LineLength):
    """Positions of findings are those in all texts joined."""

    def score(self, texts):
        joined = "".join(texts)
        places = [index for index, character in enumerate(joined) if character == "("]
        findings = tuple(Finding(0, place, place + 1, "a bracket") for place in places)
        return Score({"brackets": float(len(places))}, findings)


@bug(
    MetricSuite,
    "test_the_order_of_texts_does_not_matter",
    "the value 'mean' differs when the texts are in another order",
)
class FirstTextOnly(LineLength):
    """Only the first text is scored."""

    def score(self, texts):
        return super().score(texts[:1])


@bug(
    MetricSuite,
    "test_weights_are_sample_sizes",
    "the value 'mean' differs when averaged by its weight over single texts",
)
class WeightOfTexts(LineLength):
    """The weight of a mean over lines is the number of texts."""

    def score(self, texts):
        score = super().score(texts)
        return Score(score.values, weights={"mean": len(texts)})


class Vocabulary(FittedMetric):
    """A correct metric that depends on the training text."""

    quantities: ClassVar = {
        "known": Quantity("words of the training text", "share", "more", "{} of the words are known")
    }

    def fit(self, documents, folder):
        words = {word for document in documents for word in document.split()}
        (folder / "words.json").write_text(json.dumps(sorted(words)))

    def restore(self, folder):
        self.words = set(json.loads((folder / "words.json").read_text()))

    def score(self, texts):
        words = [word for text in texts for word in text.split()]
        known = sum(word in self.words for word in words)
        return Score({"known": known / max(len(words), 1)}, weights={"known": len(words)})


@bug(MetricSuite, "test_the_files_of_a_fitted_metric_can_be_restored", "the value 'known' differs after `restore`")
class FittedInMemory(Vocabulary):
    """The metric keeps words in memory that its files do not have."""

    def fit(self, documents, folder):
        self.more = {word for document in documents for word in document.split()}
        super().fit([], folder)

    def restore(self, folder):
        super().restore(folder)
        self.words |= getattr(self, "more", set())


class ExactMatch(PredictionMetric):
    """A correct metric: the share of predictions that equal one of the targets."""

    quantities: ClassVar = {
        "share": Quantity("predictions that are right", "share", "more", "{} of the predictions are right")
    }

    @classmethod
    def fits(cls, spec):
        return isinstance(spec.target, Classes)

    def score(self, spec, predictions):
        if not self.fits(spec):
            raise ValueError("it needs classes")
        right = [any(np.array_equal(each.predicted, target) for target in each.targets) for each in predictions]
        return Score({"share": sum(right) / len(right)})


@bug(PredictionMetricSuite, "test_the_metric_fits_some_shapes", "`fits` is False for every shape")
class FitsNothing(ExactMatch):
    """`fits` compares with a class that no spec has."""

    @classmethod
    def fits(cls, spec):
        return spec.target is Classes


@bug(
    PredictionMetricSuite,
    "test_predictions_of_a_shape_that_fits_are_scored",
    "`score(spec=ExampleSpec(…, predictions=[ExamplePrediction(…)` raises ValueError",
)
class EqualLengths(ExactMatch):
    """Predictions must be as long as targets."""

    def score(self, spec, predictions):
        pairs = [(np.atleast_1d(each.predicted), np.atleast_1d(each.targets[0])) for each in predictions]
        right = [one == other for pair in pairs for one, other in zip(*pair, strict=True)]
        return Score({"share": sum(right) / len(right)})


@bug(
    PredictionMetricSuite,
    "test_predictions_of_a_shape_that_fits_are_scored",
    "`score` of empty predictions of a sequence of classes: its value 'share' is nan",
)
class EmptyIsNotANumber(ExactMatch):
    """The mean over an empty prediction is NaN."""

    def score(self, spec, predictions):
        steps = sum(np.size(each.predicted) for each in predictions)
        return Score({"share": super().score(spec, predictions).values["share"] * (steps / steps if steps else np.nan)})


@bug(PredictionMetricSuite, "test_values_state_their_meaning", "does not say what the value 'share' means")
class MeaningOfAnotherName(ExactMatch):
    """The `Quantity` has another name than the value."""

    quantities: ClassVar = {"exact": ExactMatch.quantities["share"]}


@bug(
    PredictionMetricSuite,
    "test_the_order_of_predictions_does_not_matter",
    "the value 'share' differs for a class in another order of predictions or targets",
)
class FirstTargetOnly(ExactMatch):
    """Only the first of several targets counts."""

    def score(self, spec, predictions):
        right = [np.array_equal(each.predicted, each.targets[0]) for each in predictions]
        return Score({"share": sum(right) / len(right)})


@bug(
    PredictionMetricSuite,
    "test_other_shapes_are_a_value_error",
    "`score` of predictions of text, which it does not fit, raises AttributeError",
)
class AttributeOfClasses(ExactMatch):
    """Predictions that are not classes are an `AttributeError`."""

    def score(self, spec, predictions):
        return Score({f"of_{spec.target.names[0]}": 1.0})


@bug(MetricSuite, "test_findings_are_inside_the_texts", "the finding Finding(text=0, …) has no message")
class FindingWithoutAMessage(LineLength):
    """A finding does not say what it is."""

    def score(self, texts):
        return Score({"brackets": 0.0}, (Finding(0, 0, 0, ""),))


@bug(MetricSuite, "test_weights_are_sample_sizes", "the weight 'lines' belongs to no value: expected one of ['mean']")
class WeightOfAnotherName(LineLength):
    """The weight has the name of what it counts."""

    def score(self, texts):
        score = super().score(texts)
        return Score(score.values, weights={"lines": score.weights["mean"]})


@bug(MetricSuite, "test_weights_are_sample_sizes", "the weight of 'mean' is not finite and at least 0: got -")
class NegativeWeight(LineLength):
    """The weight is below 0."""

    def score(self, texts):
        score = super().score(texts)
        return Score(score.values, weights={"mean": -score.weights["mean"]})


@bug(
    MetricSuite,
    "test_weights_are_sample_sizes",
    "the weight of 'mean' is not a sample size: those of single texts do not add up: expected 1, got ",
)
class WeightOfOne(LineLength):
    """Each score has the weight 1."""

    def score(self, texts):
        return Score(super().score(texts).values, weights={"mean": 1})


@bug(
    PredictionMetricSuite,
    "test_predictions_of_a_shape_that_fits_are_scored",
    "the names of the values differ for wrong predictions of a class: expected ['right', 'share'], got ['share']",
)
class NamesOfTheOutcomes(ExactMatch):
    """A value exists only if a prediction is right."""

    def score(self, spec, predictions):
        share = super().score(spec, predictions).values["share"]
        return Score({"share": share, **({"right": 1.0} if share else {})})


@bug(
    PredictionMetricSuite,
    "test_other_shapes_are_a_value_error",
    "the ValueError for predictions of text has no message",
)
class ErrorWithoutAMessage(ExactMatch):
    """A shape that does not fit is an error without a message."""

    def score(self, spec, predictions):
        raise ValueError


@bug(
    PredictionMetricSuite, "test_the_metric_fits_some_shapes", "`fits` of a class is neither True nor False: got 'once'"
)
class FitsByMode(ExactMatch):
    """`fits` returns a text."""

    @classmethod
    def fits(cls, spec):
        return spec.output_mode

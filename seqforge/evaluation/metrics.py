"""Metrics: built from an experiment, fitted to training text, and applied to texts.

The results of fitting are kept in the cache, with their checksums.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from seqforge.data.dataset import Dataset
from seqforge.distribution.world import ALONE, World
from seqforge.errors import SeqforgeError, warn
from seqforge.evaluation.intervals import FEWEST_PARTS, Interval, bootstrap_mean, share_interval
from seqforge.events import Mark, Report, WorkProgressed, no_report
from seqforge.experiment.experiment import Experiment
from seqforge.faults import describe_error, plugin_fault
from seqforge.figures import format_figure
from seqforge.kinds import FittedMetric, Metric, PredictionMetric, Quantity, Score
from seqforge.kinds.metric import name_quantities, validate_score
from seqforge.registry.component import Component
from seqforge.storage.cache import load_or_write
from seqforge.storage.files import reported_failures
from seqforge.storage.paths import cache_folder
from seqforge.storage.records import DamagedFileError


def fit_metric(
    metric: FittedMetric,
    component: Component,
    experiment: Experiment,
    dataset: Dataset,
    report: Report = no_report,
) -> None:
    """Fit a metric to the training split, or restore the result from the cache.

    Raises:
        RunError: If the cache cannot be written, for example because the disk is full.
        PluginError: If the metric cannot be fitted.
    """
    name = component.name

    def fit(folder: Path) -> str:
        warn(f"fitting the metric {name} to the training text; the result is cached")
        try:
            metric.fit(_read_training_text(dataset, report), folder)
        except (SeqforgeError, OSError):
            raise
        except Exception as error:
            raise plugin_fault("metric", name, f"it cannot be fitted: {describe_error(error, type(metric))}") from error
        return f"{name}, {dataset.description}"

    def restore(folder: Path) -> FittedMetric:
        try:
            metric.restore(folder)
        except Exception as error:  # Another version of the metric wrote the entry.
            raise DamagedFileError(folder, f"the metric {name} cannot restore this state") from error
        return metric

    entry = cache_folder() / "metrics" / _fingerprint(component, experiment, dataset)
    with reported_failures(f"caching a fitted metric in {entry.parent}"):
        load_or_write(entry, restore, fit, report)


def _read_training_text(dataset: Dataset, report: Report) -> Iterator[str]:
    """Yield the training text, and report how much of it was read."""
    total = dataset.splits["training"].length * dataset.characters_per_token("training")
    read = 0
    for document in dataset.documents("training"):
        report(WorkProgressed("fitting metrics", min(1.0, read / total)))
        yield document
        read += len(document)


def _fingerprint(component: Component, experiment: Experiment, dataset: Dataset) -> str:
    spans = dataset.splits["training"]
    parts = [
        dataset.token_file.digest,
        hashlib.blake2b(spans.starts.tobytes() + spans.stops.tobytes()).hexdigest(),
        dict(component.table),
        component.versions(experiment.plugins),
    ]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


MetricT = TypeVar("MetricT")
ScoreT = TypeVar("ScoreT")


def build_metrics(experiment: Experiment, dataset: Dataset | None = None, report: Report = no_report) -> dict[str, Any]:
    """Build the metrics of an experiment, and fit those that depend on training text. Only these need a dataset.

    Returns:
        The metrics by short name. A second metric with the same name gets the suffix `-2`, and so on.
    """
    metrics: dict[str, Any] = {}
    for component in experiment.metrics:
        name, number = component.registration.name, 1
        while name in metrics:
            number += 1
            name = f"{component.registration.name}-{number}"
        metric = metrics[name] = component.build()
        if dataset is not None and isinstance(metric, FittedMetric):
            fit_metric(metric, component, experiment, dataset, report)
    return metrics


def find_meanings(metrics: Mapping[str, Metric | PredictionMetric], values: Collection[str]) -> dict[str, Quantity]:
    """Return what values of metrics mean, by `metric.value`, in the order of the metrics and of their quantities."""
    meanings: dict[str, Quantity] = {}
    for name, metric in metrics.items():
        title = "errors per 1,000 characters after the prompt"
        sentence = f"{name} counts {{}} errors in 1,000 characters after the prompt that the prompt alone does not have"
        new_errors = Quantity(title, "number", "less", sentence, is_detail=True)
        quantities = {**metric.quantities, "new_errors": new_errors}
        meanings |= name_quantities({f"{name}.{key}": quantity for key, quantity in quantities.items()}, values)
    return meanings


class TextScores(NamedTuple):
    """The values of metrics for texts.

    Attributes:
        values: Values by `metric.value`.
        intervals: 95% intervals of the values that are means, over the texts; empty for few texts.
        sizes: Sample sizes of the values that have one, such as the number of functions of a share of functions.
        summary: Sentences that compare the most important values with a baseline; see `summarize`.
        details: Such sentences of the other values.
        marks: Errors in the first text.
    """

    values: Mapping[str, float] = {}
    intervals: Mapping[str, Interval] = {}
    sizes: Mapping[str, float] = {}
    summary: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()


def score_texts(
    metrics: Mapping[str, Metric], groups: Sequence[Sequence[str]], world: World = ALONE, prompt: str | None = None
) -> TextScores:
    """Score each group of texts by every metric, and return the weighted means of the values over the groups.

    For the intervals, each text is also scored alone. The metrics are divided over the processes of `world`, all of
    which return the same values.

    With a prompt, each metric has a further value `new_errors`: the number of findings of severity "error" that the
    prompt alone does not have, per 1,000 characters after it. It is a value of the model only, not of the prompt. A
    text that does not begin with the prompt is scored as a whole.

    Returns:
        Means by `metric.value`, except of values whose weights are all 0, with their intervals.
    """
    texts = [text for group in groups for text in group]

    def score(metric: Metric) -> tuple[dict[str, float], dict[str, Interval], dict[str, float], list[Mark]]:
        known = _find_errors(validate_score(metric.score([prompt]))) if prompt else Counter[_Error]()
        scores = [_score(metric, group, prompt, known) for group in groups]
        alone = [] if len(texts) < FEWEST_PARTS else [_score(metric, [text], prompt, known) for text in texts]
        intervals = find_intervals(alone, metric.quantities) if alone else {}
        marks = [
            Mark(found.start, found.stop, found.message)
            for found in scores[0].findings
            if found.text == 0 and found.severity == "error"
        ]
        return average_scores(scores), intervals, add_sizes(scores), marks

    scores = score_by_each(metrics, score, world)
    return TextScores(
        {f"{name}.{key}": value for name, (means, *_) in scores.items() for key, value in means.items()},
        {f"{name}.{key}": Interval(*pair) for name, (_, pairs, *_) in scores.items() for key, pair in pairs.items()},
        {f"{name}.{key}": size for name, (_, _, sizes, _) in scores.items() for key, size in sizes.items()},
        marks=tuple(Mark(*mark) for *_, marks in scores.values() for mark in marks),
    )


FEWEST_CASES = 10
"""Sample size below which a sentence says that there are too few cases to tell."""


def summarize(metrics: Mapping[str, Metric | PredictionMetric], scores: TextScores, baseline: TextScores) -> TextScores:
    """Return the scores of samples or predictions with sentences about the values.

    A value without a `Quantity` is shown by its name, with the baseline in parentheses.
    """
    summary: list[str] = []
    details: list[str] = []
    meanings = find_meanings(metrics, scores.values)
    for key, quantity in meanings.items():
        sentences = details if quantity.is_detail else summary
        size = scores.sizes.get(key, FEWEST_CASES)
        if size < FEWEST_CASES:
            sentences.append(f"{quantity.title}: too few cases to tell ({size:g})")
            continue
        compared = f"; in held-out text, {quantity.format(baseline.values[key])}" if key in baseline.values else ""
        sentences.append(quantity.sentence.replace("{}", quantity.format(scores.values[key])) + compared)
    for key in [key for key in scores.values if key not in meanings]:
        compared = f" ({format_figure(baseline.values[key])})" if key in baseline.values else ""
        summary.append(f"{key}: {format_figure(scores.values[key])}{compared}")
    return scores._replace(summary=tuple(summary), details=tuple(details))


_Error = tuple[int, str]
"""Position and message of an error."""


def _find_errors(score: Score, number: int = 0) -> "Counter[_Error]":
    """Count the errors that a score reports in the text with a number."""
    return Counter(
        (found.start, found.message) for found in score.findings if found.text == number and found.severity == "error"
    )


def _score(metric: Metric, texts: Sequence[str], prompt: str | None, known: "Counter[_Error]") -> Score:
    """Score texts. With a prompt, add the value `new_errors`, which leaves out the errors of the prompt, `known`."""
    score = validate_score(metric.score(texts))
    if not prompt:
        return score
    errors = characters = 0
    for number, text in enumerate(texts):
        begins = text.startswith(prompt)
        errors += (_find_errors(score, number) - (known if begins else Counter())).total()
        characters += len(text) - (len(prompt) if begins else 0)
    value = 1000 * errors / characters if characters else 0.0
    values, weights = {**score.values, "new_errors": value}, {**score.weights, "new_errors": float(characters)}
    return replace(score, values=values, weights=weights)


def score_by_each(
    metrics: Mapping[str, MetricT], score: Callable[[MetricT], ScoreT], world: World
) -> dict[str, ScoreT]:
    """Score by every metric, each in one of the processes of `world`, which all return the same scores as JSON values.

    If a metric raises an exception, print a warning and leave the metric out.
    """

    def score_own() -> dict[str, ScoreT]:
        scores: dict[str, ScoreT] = {}
        for name in names[world.rank :: world.size]:
            try:
                scores[name] = score(metrics[name])
            except Exception as error:  # noqa: BLE001 - generated text may break any metric
                warn(f"the metric {name!r} failed: {describe_error(error, type(metrics[name]))}")
        return scores

    names = list(metrics)
    found: dict[str, ScoreT] = {name: value for scores in world.collect(score_own) for name, value in scores.items()}
    return {name: found[name] for name in names if name in found}


def average_scores(scores: Sequence[Score]) -> dict[str, float]:
    """Return the weighted means of the values of scores by a metric, without those whose weights are all 0."""
    means: dict[str, float] = {}
    for key in scores[0].values:
        weights = [score.weights.get(key, 1.0) for score in scores]
        if any(weights):
            total = sum(weight * score.values[key] for weight, score in zip(weights, scores, strict=True))
            means[key] = total / sum(weights)
    return means


def add_sizes(scores: Sequence[Score]) -> dict[str, float]:
    """Return the sample sizes of the values that have one."""
    return {key: float(sum(score.weights.get(key, 0.0) for score in scores)) for key in scores[0].weights}


_SCALES = {"share": 1.0, "per 1,000": 1000.0}
"""For each unit of a share, the value of all cases."""


def find_intervals(scores: Sequence[Score], quantities: Mapping[str, Quantity]) -> dict[str, Interval]:
    """Return the intervals of the values with a weight, from the scores of single texts.

    A share has the interval of Wilson, and any other mean a bootstrap interval.
    """
    intervals: dict[str, Interval] = {}
    meanings = name_quantities(quantities, scores[0].weights)
    for key in scores[0].weights:
        sizes = [score.weights.get(key, 1.0) for score in scores]
        totals = [score.values[key] * size for score, size in zip(scores, sizes, strict=True)]
        scale = _SCALES.get(meanings[key].unit) if key in meanings else None
        if scale is None:
            interval = bootstrap_mean(totals, sizes)
        elif interval := share_interval([total / scale for total in totals], sizes):
            interval = Interval(interval.low * scale, interval.high * scale)
        if interval is not None:
            intervals[key] = interval
    return intervals

"""Samples of a run: written down, and judged."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from seqforge.data import Dataset
from seqforge.errors import warn
from seqforge.evaluation.fitted_metrics import fit_metric
from seqforge.experiment import Experiment
from seqforge.files import reported_failures, write_atomically
from seqforge.interfaces import FittedMetric, Metric, Score
from seqforge.registry import describe_error

MetricT = TypeVar("MetricT")
JudgementT = TypeVar("JudgementT")


def write_samples(folder: Path, step: int, texts: Sequence[str]) -> None:
    """Write each sample to a file of its own.

    Args:
        folder: Where to.
        step: Optimizer steps done.
        texts: The samples.

    Raises:
        RunError: Where a file cannot be written.
    """
    with reported_failures(f"writing a sample to {folder}"):
        for number, text in enumerate(texts, start=1):
            suffix = f"-{number}" if len(texts) > 1 else ""
            write_atomically(folder / f"step-{step:08d}{suffix}.txt", text.encode("utf-8", "replace"))


def build_metrics(experiment: Experiment, dataset: Dataset | None = None) -> dict[str, Any]:
    """Build an experiment's metrics, of samples or of predictions, and teach those that learn from the training text.

    Args:
        experiment: Names them.
        dataset: Has the training text; None of labelled examples, where no metric reads it.

    Returns:
        The metrics by short name; one that is used twice gets a number behind its name.
    """
    metrics: dict[str, Any] = {}
    for component in experiment.metrics:
        name, number = component.registration.name, 1
        while name in metrics:
            number += 1
            name = f"{component.registration.name}-{number}"
        metric = metrics[name] = component.build()
        if dataset is not None and isinstance(metric, FittedMetric):
            fit_metric(metric, component, experiment, dataset)
    return metrics


def score_texts(metrics: Mapping[str, Metric], groups: Sequence[Sequence[str]]) -> dict[str, float]:
    """Judge texts by every metric.

    Args:
        metrics: By name.
        groups: Groups of texts, each judged by itself: the samples are one.

    Returns:
        Figures by `metric.value`, each a mean over the groups; without those that are of nothing.
    """
    figures: dict[str, float] = {}
    for name, means in scores_of_each(
        metrics, lambda metric: _means([validated_score(metric.score(texts)) for texts in groups])
    ):
        figures |= {f"{name}.{key}": value for key, value in means.items()}
    return figures


def scores_of_each(
    metrics: Mapping[str, MetricT], judge: Callable[[MetricT], JudgementT]
) -> Iterator[tuple[str, JudgementT]]:
    """Let every metric judge. One that raises costs its figures and a line on stderr, and not the run.

    Args:
        metrics: By name.
        judge: Asks one.

    Yields:
        The name of each that answered, and what it said.
    """
    for name, metric in metrics.items():
        try:
            judgement = judge(metric)
        except Exception as error:  # noqa: BLE001 - a model writes what no metric has seen before
            warn(f"the metric {name!r} failed: {describe_error(error, type(metric))}")
            continue
        yield name, judgement


def validated_score(score: Any) -> Score:
    """Make plain numbers of a metric's figures, which may be numpy's or a tensor's.

    Args:
        score: What the metric said.

    Raises:
        TypeError: Where that is no score, or a figure no number.
        ValueError: Where a figure is not finite, which no line of JSON can hold.
    """
    if not isinstance(score, Score):
        raise TypeError(f"it gave a {type(score).__name__}, not a Score")
    values = {name: float(value) for name, value in score.values.items()}
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"its figure {name!r} is {value}")
    return replace(score, values=values)


def _means(scores: Sequence[Score]) -> dict[str, float]:
    means: dict[str, float] = {}
    for key in scores[0].values:
        weights = [score.weights.get(key, 1.0) for score in scores]
        if any(weights):
            total = sum(weight * score.values[key] for weight, score in zip(weights, scores, strict=True))
            means[key] = total / sum(weights)
    return means

"""Samples of a run: written down, and judged."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqforge.experiment import Experiment
from seqforge.files import reported_failures, write_atomically
from seqforge.interfaces import Metric
from seqforge.training.observers import warn


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


def build_metrics(experiment: Experiment) -> dict[str, Any]:
    """Build an experiment's metrics, of samples or of predictions.

    Args:
        experiment: Names them.

    Returns:
        The metrics by short name; one that is used twice gets a number behind its name.
    """
    metrics: dict[str, Any] = {}
    for component in experiment.metrics:
        name, number = component.registration.name, 1
        while name in metrics:
            number += 1
            name = f"{component.registration.name}-{number}"
        metrics[name] = component.build()
    return metrics


def score_texts(metrics: Mapping[str, Metric], texts: Sequence[str]) -> dict[str, float]:
    """Judge texts by every metric. One that raises costs its figures and a line on stderr, and not the run.

    Args:
        metrics: By name.
        texts: The samples.

    Returns:
        Figures by `metric.value`.
    """
    figures: dict[str, float] = {}
    for name, metric in metrics.items():
        try:
            values = metric.score(texts).values
        except Exception as error:  # noqa: BLE001 - a model writes what no metric has seen before
            warn(f"the metric {name!r} failed: {type(error).__name__}: {error}")
            continue
        figures |= {f"{name}.{key}": value for key, value in values.items()}
    return figures

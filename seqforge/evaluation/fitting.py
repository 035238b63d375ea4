"""Fit metrics to the training text. The results are kept in the cache, with their checksums."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from seqforge.data.dataset import Dataset
from seqforge.errors import SeqforgeError, warn
from seqforge.events import Report, WorkProgressed, no_report
from seqforge.experiment.experiment import Experiment
from seqforge.faults import describe_error, plugin_fault
from seqforge.kinds import FittedMetric
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
    with reported_failures(f"caching a fitted metric in {cache_folder() / 'metrics'}"):
        load_or_write(
            cache_folder() / "metrics" / _fingerprint(component, experiment, dataset),
            lambda folder: _restore(metric, component, folder),
            lambda folder: _fit(metric, component, dataset, folder, report),
            report,
        )


def _fit(metric: FittedMetric, component: Component, dataset: Dataset, folder: Path, report: Report) -> str:
    warn(f"fitting the metric {component.name} to the training text; the result is cached")
    try:
        metric.fit(_report_progress(dataset, report), folder)
    except (SeqforgeError, OSError):
        raise
    except Exception as error:
        raise plugin_fault(
            "metric", component.name, f"it cannot be fitted: {describe_error(error, type(metric))}"
        ) from error
    return f"{component.name}, {dataset.description}"


def _restore(metric: FittedMetric, component: Component, folder: Path) -> FittedMetric:
    """Restore a metric from an entry of the cache.

    Raises:
        DamagedFileError: If another version of the metric wrote the entry.
    """
    try:
        metric.restore(folder)
    except Exception as error:
        raise DamagedFileError(folder, f"the metric {component.name} cannot restore this state") from error
    return metric


def _report_progress(dataset: Dataset, report: Report) -> Iterator[str]:
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

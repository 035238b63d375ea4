"""Metrics that learn from the training text, which is read for them once, and what they learnt kept."""

import hashlib
import json
from typing import Any

import filelock

from seqforge.data import Dataset
from seqforge.errors import SeqforgeError, warn
from seqforge.experiment import Experiment
from seqforge.files import cache_folder, reported_failures, write_atomically
from seqforge.interfaces import FittedMetric
from seqforge.registry import Component, describe_error, plugin_fault


def fit_metric(metric: FittedMetric, component: Component, experiment: Experiment, dataset: Dataset) -> None:
    """Let a metric learn from the training split, or take up what was learnt from the same text before.

    Args:
        metric: Has not learnt yet.
        component: What it was built from.
        experiment: Names the versions of plugins.
        dataset: Gives the split.

    Raises:
        RunError: Where the cache cannot be written, as on a full disk.
        PluginError: Where the metric cannot learn.
    """
    folder = cache_folder() / "metrics"
    path = folder / _fingerprint(component, experiment, dataset)
    with reported_failures(f"keeping what a metric learns in {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock"):
            if path.exists():
                try:
                    metric.restore(path.read_bytes())
                except Exception:  # noqa: BLE001 - it may have been kept by another version of the metric
                    path.unlink()
                else:
                    return
            warn(f"the metric {component.name} reads the training text, this once")
            try:
                metric.fit(dataset.documents("training"))
                state: Any = metric.state()
            except (SeqforgeError, OSError):
                raise
            except Exception as error:
                raise plugin_fault(
                    "metric", component.name, f"it cannot learn: {describe_error(error, type(metric))}"
                ) from error
            if not isinstance(state, bytes):
                raise plugin_fault("metric", component.name, f"its state is a {type(state).__name__}, not bytes")
            write_atomically(path, state)


def _fingerprint(component: Component, experiment: Experiment, dataset: Dataset) -> str:
    spans = dataset.splits["training"]
    chosen = [
        dataset.token_file.digest,
        hashlib.blake2b(spans.starts.tobytes() + spans.stops.tobytes()).hexdigest(),
        dict(component.table),
        {plugin: experiment.plugins[plugin] for plugin in component.plugins},
    ]
    return hashlib.blake2b(json.dumps(chosen, sort_keys=True).encode(), digest_size=16).hexdigest()

"""Comparison of runs: the settings in which their experiments differ, and their curves, without loading a model."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from seqforge.errors import RunError
from seqforge.experiment.settings import SPLIT_KEYS
from seqforge.figures import format_estimate
from seqforge.kinds.table import OBSERVER_KEYS
from seqforge.registry.problems import join_key
from seqforge.runs.directory import RunDirectory
from seqforge.runs.metrics_log import SAMPLE, interval_of, number_of, read_metrics, tabulate_losses
from seqforge.runs.summary import RunSummary, find_runs, summarize_run

Axis = Literal["step", "seconds"]

_LARGEST = 1e300
"""Largest magnitude of a point of a curve. The difference of two points is finite."""

_IGNORED = ("experiment.name", "distributions", *OBSERVER_KEYS)
"""Keys that differ without an effect on the results."""

DATA_KEYS = ("corpus", *(f"data.{key}" for key in SPLIT_KEYS))
"""Beginnings of the keys that select the text on which runs are scored."""


def summarize_all(paths: Sequence[Path]) -> list[RunSummary]:
    """Summarize the runs that are named or in a folder that is named, each once and in this order.

    Raises:
        RunError: If there are fewer than two, or if one cannot be read.
    """
    found = list(dict.fromkeys(run for path in paths for run in find_runs(path)))
    if len(found) < 2:
        raise RunError(
            ": ".join(filter(None, [" ".join(map(str, paths)), "a comparison needs two runs"])),
            hint="For example: seqforge compare runs/first-run runs/second-run. To list runs: seqforge runs",
        )
    summaries = list(map(summarize_run, found))
    for summary in summaries:
        if summary.state == "damaged":
            raise RunError(f"{summary.path}: the run cannot be read: {summary.reason}", hint="Leave it out.")
    return summaries


def tabulate_runs(runs: Sequence[RunSummary]) -> list[dict[str, Any]]:
    """Return a row for each run, with the same columns: those of `seqforge.compare` without intervals."""
    settings = differing_settings([run.table for run in runs])
    units = dict.fromkeys(run.best.unit for run in runs if run.best.unit)
    return [
        {
            "run": name,
            "state": run.state,
            **{key: values[index] for key, values in settings.items()},
            "parameters": run.parameters,
            "steps": run.steps,
            "seconds": run.seconds,
            **{
                f"validation_{unit.replace(' ', '_')}": run.best.value if run.best.unit == unit else None
                for unit in units
            },
            **({"validation_bits_per_byte": run.best.per_byte} if "bits per character" in units else {}),
            **dict(zip(("best_low", "best_high"), run.best.interval or (None, None), strict=True)),
        }
        for index, (name, run) in enumerate(zip(short_names([run.path for run in runs]), runs, strict=True))
    ]


class SampledValue(NamedTuple):
    """A value of a metric for the last samples of a run.

    Attributes:
        value: The value.
        interval: Its interval, if the log has one.
        difference: Difference to the value of the first run, or None.
        difference_interval: Interval of this difference, if both values have one.
    """

    value: float
    interval: tuple[float, float] | None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        shown = format_estimate(self.value, self.interval)
        if self.difference is None:
            return shown
        return f"{shown}; {format_estimate(self.difference, self.difference_interval, '+')}"


def compare_samples(runs: Sequence[RunSummary]) -> dict[str, list[SampledValue | None]]:
    """Return the values of the metrics for the last samples of each run, by `metric.value`. A run may lack some."""
    logs = [read_metrics(RunDirectory(run.path).metrics) for run in runs]
    last = [[{}, *(record for record in log if record["event"] == SAMPLE)][-1] for log in logs]
    names = dict.fromkeys(name for record in last for name in record if "." in name and not name.endswith(".baseline"))
    return {
        name: [_compare_value(name, record, last[0] if number else {}) for number, record in enumerate(last)]
        for name in names
    }


def _compare_value(name: str, record: Mapping[str, Any], first: Mapping[str, Any]) -> SampledValue | None:
    from seqforge.evaluation.intervals import estimate_difference  # imports numpy

    value, interval = number_of(record, name), interval_of(record, name)
    difference = estimate_difference(value, interval, number_of(first, name), interval_of(first, name))
    return None if value is None else SampledValue(value, interval, *difference)


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return a name for each run: the last part of its path, or more parts if that is needed to tell them apart."""
    parts = [path.absolute().parts for path in paths]
    for length in range(1, max(map(len, parts), default=0)):  # All have the root in common.
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return list(map(str, paths))


def differing_settings(tables: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the settings in which experiments, with every default, differ.

    Returns:
        The value in each experiment by dotted key, sorted by key. A value is None if the experiment does not have the
        key. The name of the run is left out.
    """
    return {key: values for key, values in find_differences(tables).items() if not key.startswith(_IGNORED)}


def find_differences(tables: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the values that differ between tables, by dotted key; None stands for a missing key."""
    flat = [dict(flatten(table)) for table in tables]
    keys = sorted({key for values in flat for key in values})
    columns = {key: [values.get(key) for values in flat] for key in keys}
    return {key: values for key, values in columns.items() if any(value != values[0] for value in values)}


def flatten(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value in tables and lists of tables with its dotted key. A list of plain values is one value."""
    if isinstance(value, Mapping) and value:
        for name, inner in cast("Mapping[str, Any]", value).items():
            yield from flatten(inner, join_key(key, name))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in cast("list[Any]", value)):
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from flatten(inner, join_key(key, index))
    else:
        yield key, value


def loss_curves(runs: Sequence[RunSummary], axis: Axis = "step") -> tuple[str, list[list[tuple[float, float]]]]:
    """Return the validation curve of each run, or the training curves if no run was evaluated twice.

    The horizontal axis is that of optimizer steps, or of seconds of training.

    Returns:
        The quantity, such as "validation bits per character", and the points of each run, of which a run that has
        logged nothing has none. The quantity is the loss if a run has no bits per character.

    Raises:
        RunError: If a log cannot be read.
    """
    tables = [tabulate_losses(read_metrics(RunDirectory(run.path).metrics)) for run in runs]
    for split, quantity in itertools.product(("validation", "training"), ("bits_per_character", "loss")):
        curves = [_points(rows, axis, f"{split}_{quantity}") for rows in tables]
        logged = [curve for curve, rows in zip(curves, tables, strict=True) if rows]
        if all(logged) and any(len(curve) > 1 for curve in logged):
            return f"{split} {quantity.replace('_', ' ')}", curves
    return "validation loss", [_points(rows, axis, "validation_loss") for rows in tables]


def _points(rows: Sequence[Mapping[str, Any]], axis: Axis, name: str) -> list[tuple[float, float]]:
    points = [(row[axis], row[name]) for row in rows if row.get(name) is not None and row.get(axis) is not None]
    return [(x, y) for x, y in points if max(abs(x), abs(y)) <= _LARGEST]

"""Summaries of run directories: state, size and best loss of a run, from its files and without loading its model.

A run directory may come from someone else, and may be damaged. Reads are bounded, and a directory that cannot be read
has a summary with the reason.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from seqforge.errors import MAXIMUM_NAMES, RunError, SeqforgeError, warn
from seqforge.figures import describe_layers, format_count, format_duration, format_estimate, format_per_byte
from seqforge.runs.directory import MARKER, RunDirectory, suggest_runs
from seqforge.runs.history import STARTED, RunState, read_history, read_state
from seqforge.runs.metrics_log import interval_of, number_of, read_metrics
from seqforge.runs.verification import step_folders
from seqforge.storage.files import FOLDER, describe_failure, kind_of, reported_failures
from seqforge.storage.folders import remove_abandoned

MAXIMUM_DEPTH = 3
"""Number of levels of folders that are searched for runs: those of a sweep are in a folder of their own."""

MAXIMUM_FOLDERS = 100_000
"""Number of folders after which the search ends."""


class BestValue(NamedTuple):
    """The lowest validation value of a run, or None before the first evaluation.

    Attributes:
        value: The value.
        unit: Its unit: "bits per character" or "loss"; empty if there is none.
        interval: Its bootstrap interval; None if the validation split is too short for one.
        per_byte: The value in bits per byte; None for labelled examples.
    """

    value: float | None = None
    unit: str = ""
    interval: tuple[float, float] | None = None
    per_byte: float | None = None

    def __str__(self) -> str:
        return format_estimate(self.value) + format_per_byte(self.value, self.per_byte)

    def estimate(self) -> str:
        """Return the value with its interval, and in bits per byte."""
        return format_estimate(self.value, self.interval) + format_per_byte(self.value, self.per_byte)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in one row.

    Attributes:
        path: The run directory.
        state: Whether the run is running, finished, interrupted (also by a kill), failed, or damaged: not readable.
        reason: Why the run ended, or why it cannot be read.
        changed: Time of the last change of the metrics log, in seconds since 1970.
        corpus: Name of the corpus; empty if the run is damaged.
        model: Name and size of the cells.
        parameters: Number of parameters; None if the run did not start.
        steps: Optimizer steps that were logged or saved.
        fraction: Fraction of the training that is finished, from the last logged step; None if no step was logged.
        seconds: Training time in seconds.
        best: Lowest validation value so far.
        table: The experiment as tables; empty if the run is damaged.
    """

    path: Path
    state: RunState | Literal["damaged"]
    reason: str = ""
    changed: float = 0.0
    corpus: str = ""
    model: str = ""
    parameters: int | None = None
    steps: int = 0
    fraction: float | None = None
    seconds: float = 0.0
    best: BestValue = field(default_factory=BestValue)
    table: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    def figures(self) -> tuple[str, str, str]:
        """Return the number of parameters, the steps and the training time, as every table shows them."""
        return format_count(self.parameters), f"{self.steps:,}", format_duration(self.seconds)


def find_runs(folder: Path) -> Iterator[Path]:
    """Yield the run directories in a folder and the folders inside it, sorted by name. Links are not followed.

    A folder that this user may not read is left out with a warning: it must not prevent the listing of other runs.

    Raises:
        RunError: If the folder does not exist or cannot be read.
    """
    with reported_failures(f"reading {folder}"):
        try:
            kind = kind_of(folder.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunError(f"{folder}: no such folder", hint=suggest_runs(folder)) from error
        if kind != FOLDER:
            raise RunError(f"{folder}: it is {kind}, not a folder")
        remove_abandoned(folder)
        next(folder.iterdir(), None)  # raises an error if it may not be read, which `os.walk` leaves out
        unreadable: list[Path] = []
        for count, (name, names, _) in enumerate(os.walk(folder), start=1):
            path = Path(name)
            is_run = os.path.lexists(path / MARKER)
            if is_run:
                yield path
            if is_run or count >= MAXIMUM_FOLDERS or len(path.relative_to(folder).parts) >= MAXIMUM_DEPTH:
                names.clear()
            visible = sorted(each for each in names if not each.startswith("."))
            names[:] = [each for each in visible if os.access(path / each, os.R_OK | os.X_OK)]
            unreadable += [path / each for each in visible if each not in names]
    if unreadable:
        others = f" and {len(unreadable) - MAXIMUM_NAMES:,} more" * (len(unreadable) > MAXIMUM_NAMES)
        warn(f"left out, since they cannot be read: {', '.join(map(str, unreadable[:MAXIMUM_NAMES]))}{others}")


def summarize_run(path: Path) -> RunSummary:
    """Summarize a run directory. One that cannot be read is summarized as damaged, with the reason."""
    try:
        return _summarize(RunDirectory.open(path))
    except SeqforgeError as error:
        reason = error.message.removeprefix(f"{path}: ").removeprefix(f"{path}/").partition("\n")[0]
        return RunSummary(path, "damaged", reason)
    except OSError as error:
        return RunSummary(path, "damaged", describe_failure(error).message.removeprefix(f"{path}/"))


def _summarize(directory: RunDirectory) -> RunSummary:
    table = directory.read_experiment()
    try:
        corpus, model = table["corpus"]["use"].rpartition("/")[2], describe_layers(table["model"]["cells"])
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{directory.experiment}: corpus.use or model.cells is missing or damaged") from error
    records = read_metrics(directory.metrics, summary=True)
    state, reason = read_state(directory.path)
    checkpoints = step_folders(directory.checkpoints)
    fractions = _numbers(records, "fraction")
    history = read_history(directory.path)
    seconds = _numbers([*records, *history[-1:]], "seconds")  # The end of a run is the last.
    counts = [record.get("parameters") for record in history if record["event"] == STARTED]
    newest = directory.metrics if directory.metrics.exists() else directory.experiment
    return RunSummary(
        path=directory.path,
        state=state,
        reason=reason.partition("\n")[0],
        changed=newest.stat().st_mtime,
        corpus=corpus,
        model=model,
        parameters=counts[-1] if counts and isinstance(counts[-1], int) else None,
        steps=max([*checkpoints, *(record["step"] for record in records)], default=0),
        fraction=fractions[-1] if fractions else None,
        seconds=seconds[-1] if seconds else 0.0,
        best=best_evaluation(records),
        table=table,
    )


def best_evaluation(records: Sequence[Mapping[str, Any]]) -> BestValue:
    """Return the lowest validation value of a metrics log."""
    evaluations = [record for record in records if record["event"] == "evaluation"]
    for unit in ("bits per character", "loss"):
        name = unit.replace(" ", "_")
        values = [(value, record) for record in evaluations if (value := number_of(record, name)) is not None]
        if values:
            best, record = min(values, key=lambda pair: pair[0])
            return BestValue(best, unit, interval_of(record, name), number_of(record, "bits_per_byte"))
    return BestValue()


def _numbers(records: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """Return the values of a name in the records that have a number there."""
    return [value for record in records if (value := number_of(record, name)) is not None]

"""The listeners of a run, which receive its events: plugins, callbacks, trackers, the display, a check of the cores.

The identifiers of the tracked runs are in `trackers.json` of the run directory, so that a resumed run continues them.
"""

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from rich.console import Console

from seqforge.api.notebook import NotebookDisplay
from seqforge.api.progress import ProgressDisplay
from seqforge.distribution.world import World
from seqforge.errors import ExperimentError, RunError, SeqforgeError, warn
from seqforge.events import Evaluated, RunFinished, RunStarted, Sampled, StepFinished
from seqforge.experiment.experiment import Experiment
from seqforge.hardware import waiting_time
from seqforge.kinds import TrackedRun, Tracker
from seqforge.kinds.tracker import identifier_fault
from seqforge.registry.problems import format_value
from seqforge.runs.directory import RunDirectory
from seqforge.storage.files import LINK, describe_failure
from seqforge.storage.records import Record
from seqforge.training.callbacks import Callback, Callbacks

TRACKERS = "trackers.json"
"""File of a run directory with the identifiers of the tracked runs."""

OBSERVED_SECONDS = 20
"""Seconds from the start of a run after which it may warn, once, that its threads wait for cores."""

LONG_WAIT = 0.15
"""Share of the time that threads wait for a core, above which a run warns."""


class TrackersRecord(Record):
    """The content of `trackers.json`.

    Attributes:
        trackers: Identifier of the tracked run, by the key of its tracker.
    """

    VERSION = 1

    trackers: dict[str, str]


@contextlib.contextmanager
def open_listeners(
    experiment: Experiment, callbacks: Sequence[object], progress: bool | None, world: World
) -> Generator[Callable[[object], None]]:
    """Yield a function that passes events to the listeners of a run, in the first process. The others have none.

    If `progress` is None, the run is displayed if there is a terminal or a notebook.

    Raises:
        ExperimentError: If the callbacks are no list.
    """
    if isinstance(callbacks, str) or not isinstance(callbacks, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ExperimentError(
            f"callbacks are a list of objects, not {format_value(callbacks)}", hint="Pass callbacks=[…]."
        )
    if not world.is_first:
        yield lambda event: None
        return
    display = NotebookDisplay() if Console().is_jupyter else ProgressDisplay()
    with display, Trackers(experiment) as trackers:
        visible = display.has_bar if progress is None else progress
        tracking = [trackers] if experiment.trackers else []
        listeners = [*callbacks, *tracking, *([display] if visible else []), CoreObserver()]
        yield Callbacks(experiment.registry.new_hooks(), listeners).notify


class CoreObserver(Callback):
    """Warns once if the threads of a run wait long for cores, which can make small models ten times slower."""

    def __init__(self) -> None:
        self._observes = torch.get_num_threads() > 1
        self._started = self._waited = 0.0

    def on_run_started(self, event: RunStarted) -> None:
        """Begin to observe."""
        self._started, self._waited = monotonic(), waiting_time()

    def on_step_finished(self, event: StepFinished) -> None:
        """Warn after `OBSERVED_SECONDS`, if the threads of this process waited for cores for long."""
        if self._observes and (seconds := monotonic() - self._started) > OBSERVED_SECONDS:
            self._observes = False
            threads = torch.get_num_threads()
            share = (waiting_time() - self._waited) / (seconds * threads)
            if share > LONG_WAIT:
                warn(
                    f"the {threads} threads of this run wait for a free core during {min(share, 1):.0%} of the time, "
                    "and then for each other. Stop other programs; or interrupt the run, set OMP_NUM_THREADS to the "
                    "number of free cores, and resume"
                )


class Trackers(Callback, contextlib.AbstractContextManager["Trackers"]):
    """The callback that passes the events of a run to the trackers of its experiment.

    A tracker that raises an exception is dropped with a warning.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._trackers: dict[str, Tracker] = {}
        for index, component in enumerate(experiment.trackers):
            try:
                self._trackers[f"{index}:{component.name}"] = component.build()
            except SeqforgeError as error:
                # A library that is not installed must not prevent a run on a machine that only trains.
                warn(f"{error.message}; this run is not tracked by it. {error.hint or ''}".rstrip())
        self._interval = experiment.training.log_interval
        self._completed: Path | None = None  # the run directory, if the run is complete

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        # Only here, since the report describes the run as running while training holds its lock.
        if self._completed is not None and self._trackers:
            self._log_report(self._completed)
        self._each(lambda tracker: tracker.finish(complete=self._completed is not None))

    def on_run_started(self, event: RunStarted) -> None:
        """Start or continue the tracked runs, and record their identifiers."""
        recorded = _read_identifiers(event.directory) if event.resumed else {}
        identifiers: dict[str, str] = {}
        for key, tracker in list(self._trackers.items()):
            with self._dropped_on_failure(key):
                _check_links(event.directory)
                run = TrackedRun(event.directory.name, event.directory, event.experiment, event.step, recorded.get(key))
                identifier: Any = tracker.start(run)
                if problem := identifier_fault(identifier):
                    raise ValueError(f"start {problem}")
                identifiers[key] = identifier
        if identifiers:
            with contextlib.suppress(OSError):  # The identifiers matter only if the run is resumed.
                TrackersRecord(trackers=recorded | identifiers).write(event.directory / TRACKERS)

    def on_step_finished(self, event: StepFinished) -> None:
        """Log the figures of a step at the interval of the metrics log."""
        if event.step % self._interval == 0:
            names = ("loss", "bits_per_character", "gradient_norm", "learning_rate", "epoch", "seconds")
            self._log(event.step, {f"training/{name}": getattr(event, name) for name in names})

    def on_evaluated(self, event: Evaluated) -> None:
        """Log the scores of the validation split."""
        names = ("loss", "bits_per_character", "bits_per_byte", "perplexity")
        scores = {name: getattr(event, name) for name in names} | dict(event.scores)
        self._log(event.step, {f"validation/{name}": value for name, value in scores.items()})

    def on_sampled(self, event: Sampled) -> None:
        """Log the samples, and their scores with the baselines."""
        scores = {f"samples/{name}": value for name, value in event.scores.items()}
        self._log(event.step, scores | {f"samples/{name}.baseline": value for name, value in event.baseline.items()})
        texts = {f"samples/{number}": text for number, text in enumerate(event.texts, start=1)}
        self._each(lambda tracker: tracker.log_texts(event.step, texts))

    def on_run_finished(self, event: RunFinished) -> None:
        """Note whether the run is complete."""
        self._completed = event.directory if event.complete else None

    def _log(self, step: int, values: Mapping[str, float | None]) -> None:
        known = {name: float(value) for name, value in values.items() if value is not None}
        if known:
            self._each(lambda tracker: tracker.log_values(step, known))

    def _log_report(self, directory: Path) -> None:
        from seqforge.report.report import write_report
        from seqforge.runs.loaded_run import LoadedRun

        path = directory / "report.html"
        try:
            write_report([LoadedRun(RunDirectory(directory), self._experiment)]).save(path)
        except Exception as error:  # noqa: BLE001 - a report must not end a run
            warn(f"no report for the trackers: {_reason(error)}")
            return
        self._each(lambda tracker: tracker.log_file(path))

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for key, tracker in list(self._trackers.items()):
            with self._dropped_on_failure(key):
                call(tracker)

    @contextlib.contextmanager
    def _dropped_on_failure(self, key: str) -> Generator[None]:
        try:
            yield
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a tracker must not end a run
            del self._trackers[key]
            name = key.partition(":")[2]
            warn(f"the tracker {name} failed and is not called again: {_reason(error)}")


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename:
        return str(describe_failure(error))
    return str(error) if isinstance(error, SeqforgeError) else f"{type(error).__name__}: {error}"


def _check_links(directory: Path) -> None:
    """Check that nothing in a run directory, which may be someone else's, is a link.

    Raises:
        RunError: If there is a link. Only the tracker knows the name of the folder to which it writes.
    """
    for path in sorted(directory.iterdir()):
        if path.is_symlink():
            raise RunError(f"{path}: it is {LINK}, and a tracker could write through it", hint="Delete it.")


def _read_identifiers(directory: Path) -> dict[str, str]:
    """Return the identifiers of the tracked runs; those that are damaged are left out, and are tracked anew."""
    if not (directory / TRACKERS).exists():
        return {}
    try:
        trackers = TrackersRecord.read(directory / TRACKERS).trackers
    except RunError as error:
        warn(f"{error.message}; the trackers start new runs")
        return {}
    return {key: value for key, value in trackers.items() if identifier_fault(value) is None}

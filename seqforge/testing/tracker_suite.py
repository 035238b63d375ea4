"""The conformance suite of trackers, for subclasses in the tests of a plugin."""

import copy
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

from seqforge.errors import PluginError
from seqforge.kinds import TrackedRun, Tracker
from seqforge.kinds.tracker import identifier_fault
from seqforge.testing.conformance import Factory, Suite, fail
from seqforge.testing.metric_suite import HOSTILE

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

_FILES = {
    "run.json": '{"version": 1}\n',
    "experiment.toml": "[training]\nsteps = 6\n",
    "metrics.jsonl": '{"step": 1, "loss": 2.5}\n',
    "samples/step-00000002.txt": "the cat",
}
"""Files of a run directory, which belong to the engine."""

_EXPERIMENT: Mapping[str, Any] = {
    "experiment": {"name": "small"},
    "corpus": {"use": "essentials/inline", "text": "é\t" * 1000},
    "model": {"cells": [{"use": "essentials/gru", "hidden_size": 4, "inner": {"use": "essentials/rnn"}}]},
    "metrics": [],
    "training": {"steps": 6, "precision": "auto", "learning_rate": 1e-3, "compile": False},
}

_VALUES = {
    "training/loss": 2.5,
    "training/gradient_norm": float("inf"),
    "validation/loss": float("nan"),
    "samples/my-metric.share_of_words.baseline": -1e300,
    "samples/plugin/metric.2": 0.0,
}


class TrackerSuite(Suite, kind="tracker"):
    """Tests that every tracker must pass. List yours in a subclass whose name begins with `Test`.

    ```python
    class TestLines(TrackerSuite):
        trackers: ClassVar = {"plain": Lines}

        def recorded(self, run):
            lines = (run.directory / "values.jsonl").read_text().splitlines()
            return [(line["step"], line["values"]) for line in map(json.loads, lines)]
    ```

    A tracker writes to a temporary folder, as it would during a run. List one that needs no server and no account. If
    its library is not installed, that is, if `start` raises a `PluginError` because of an `ImportError`, the tests are
    skipped.

    Attributes:
        trackers: Functions that return a tracker, by name.
    """

    only_built: ClassVar = "it may connect to a server"
    trackers: ClassVar[Mapping[str, Factory[Tracker]]]

    def recorded(self, run: TrackedRun) -> Sequence[tuple[int, Mapping[str, float]]] | None:
        """Return the steps and values that the program stores for a run, read with the program's own reader.

        Replace this method, so that a test can compare them with what was logged. By default, it returns None, and the
        test is skipped.

        Args:
            run: The run, with the identifier that `start` returned.
        """
        return None

    def test_a_resumed_run_keeps_its_identifier(self, make: Factory[Tracker]) -> None:
        """`start` returns a valid identifier, and the same one if it receives one from an earlier start."""
        with _new_run() as run:
            identifier = _track(make, run, {1: {"training/loss": 2.0}})
            if problem := identifier_fault(identifier):
                fail(make, f"`start` {problem}")
            again = _track(make, replace(run, step=1, identifier=identifier), {2: {"training/loss": 1.0}})
            if again != identifier:
                problem = (
                    "`start` returns another identifier for a resumed run, so that it becomes a second tracked run"
                )
                fail(make, problem, expected=repr(identifier), got=repr(again))

    def test_any_value_and_text_is_logged(self, make: Factory[Tracker]) -> None:
        """Values that are not finite, names with any path, hostile texts, and nothing at all raise no exception."""
        hostile = [text.encode("utf-8", "replace").decode() for text in HOSTILE]  # No sample has lone surrogates.
        with _new_run() as run, _started(make, run) as (tracker, _):
            for step, values in enumerate((_VALUES, {}, _VALUES), start=1):
                tracker.log_values(step, values)
            for number, text in enumerate(hostile, start=1):
                tracker.log_texts(3, {f"samples/{number}": text})
            tracker.log_texts(3, {})
            report = run.directory / "report.html"
            report.write_text("<!doctype html>")
            tracker.log_file(report)

    def test_an_interrupted_run_ends(self, make: Factory[Tracker]) -> None:
        """`finish` of a run that is not complete raises nothing, directly after `start` and after values."""
        for values in ({}, {1: {"training/loss": 2.0}}):
            with _new_run() as run:
                _track(make, run, values, complete=False)

    def test_the_run_stays_as_it_is(self, make: Factory[Tracker]) -> None:
        """A tracker changes neither the files of the run directory nor the tables that it receives."""
        experiment, values = copy.deepcopy(dict(_EXPERIMENT)), dict(_VALUES)
        with _new_run(experiment) as run:
            _track(make, run, {1: values})
            if experiment != _EXPERIMENT:
                fail(make, "`start` modifies the given experiment")
            if values.keys() != _VALUES.keys():
                fail(make, "`log_values` modifies the given values")
            for name, content in _FILES.items():
                path = run.directory / name
                if not path.is_file() or path.read_text() != content:
                    wanted = "files in a folder of its own, or next to the run directory"
                    fail(make, f"the file {name} of the run directory is changed", expected=wanted)

    def test_the_logged_values_arrive(self, make: Factory[Tracker]) -> None:
        """The program stores all values of two simultaneous runs, also after one is resumed."""
        with _new_run() as first, _new_run() as second:
            with _started(make, first) as (one, identifier), _started(make, second) as (other, second_identifier):
                for step in (1, 2):
                    one.log_values(step, {"training/loss": 4.0 - step})
                    other.log_values(step, {"training/loss": 40.0 - step})
            first = replace(first, step=2, identifier=identifier)
            second = replace(second, step=2, identifier=second_identifier)
            _track(make, first, {3: {"training/loss": 1.0, "validation/loss": 1.5}})
            expected = {
                "the first run": (first, [(1, 3.0), (2, 2.0), (3, 1.0)]),
                "the second run, at the same time,": (second, [(1, 39.0), (2, 38.0)]),
            }
            for name, (run, losses) in expected.items():
                recorded = self.recorded(run)
                if recorded is None:
                    raise SkipTest("no method `recorded`, which reads what the program stores")
                found = [(step, values["training/loss"]) for step, values in recorded if "training/loss" in values]
                if [(step, round(value, 3)) for step, value in found] != losses:
                    fail(make, f"the values of {name} do not arrive", expected=losses, got=found)


@contextmanager
def _new_run(experiment: Mapping[str, Any] = _EXPERIMENT) -> Generator[TrackedRun]:
    """Create the directory of a run in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "runs" / "small"
        for name, content in _FILES.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(content)
        yield TrackedRun("small", directory, experiment, 0, None)


@contextmanager
def _started(make: Factory[Tracker], run: TrackedRun, *, complete: bool = True) -> Generator[tuple[Tracker, str]]:
    """Build and start a tracker, and finish it at the end of the block, unless the block raises."""
    tracker = make()
    try:
        identifier = tracker.start(run)
    except PluginError as error:
        if isinstance(error.__cause__, ImportError):
            raise SkipTest(error.message) from error
        raise
    try:
        yield tracker, identifier
    except BaseException:
        with suppress(Exception):  # The first exception is the one to report.
            tracker.finish(complete=False)
        raise
    tracker.finish(complete=complete)


def _track(
    make: Factory[Tracker], run: TrackedRun, values: Mapping[int, Mapping[str, float]], *, complete: bool = True
) -> str:
    """Log the values of each step in a tracked run, and return its identifier."""
    with _started(make, run, complete=complete) as (tracker, identifier):
        for step, each in values.items():
            tracker.log_values(step, each)
    return identifier

"""Trackers: what they receive, how a resumed run continues them, and that they never end a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from seqforge import Run, Tracker, train, use
from seqforge.api.listeners import TRACKERS
from seqforge.kinds import TrackedRun


class Recorder(Tracker):
    """A tracker that records its calls in a class attribute, and may fail in one of its methods."""

    calls: list[tuple[str, Any]]

    def __init__(self, fails_in: str = "") -> None:
        self._fails_in = fails_in

    def _record(self, name: str, value: Any) -> None:
        type(self).calls.append((name, value))
        if name == self._fails_in:
            raise OSError("no connection")

    def start(self, run: TrackedRun) -> str:
        self._record("start", (run.step, run.identifier, run.experiment["experiment"]["name"]))
        return run.identifier or f"id-{len(self.calls)}"

    def log_values(self, step: int, values: Mapping[str, float]) -> None:
        self._record("values", (step, dict(values)))

    def log_texts(self, step: int, texts: Mapping[str, str]) -> None:
        self._record("texts", (step, dict(texts)))

    def log_file(self, path: Path) -> None:
        self._record("file", path)

    def finish(self, *, complete: bool) -> None:
        self._record("finish", complete)


@pytest.fixture(autouse=True)
def _without_calls() -> None:
    Recorder.calls = []


def names() -> list[str]:
    return [name for name, _ in Recorder.calls]


@pytest.fixture
def tracked(experiment: Any, registry: Any) -> Any:
    """Make an experiment with recorders, each with the given options."""

    def make(*options: dict[str, Any], **tables: Any) -> Any:
        from seqforge import Experiment

        table = {**experiment(**tables).table, "trackers": [use(Recorder, **option) for option in options]}
        return Experiment.from_dict(table, registry=registry)

    return make


def test_a_tracker_receives_values_samples_and_the_report(tracked: Any, tmp_path: Path) -> None:
    run = train(tracked({}, training={"log_interval": 6}), tmp_path)
    assert Recorder.calls[0] == ("start", (0, None, "small"))
    assert names()[-2:] == ["file", "finish"]
    assert Recorder.calls[-1] == ("finish", True)
    assert "<html" in Path(Recorder.calls[-2][1]).read_text()[:200]
    values = {(step, name): value for kind, entry in Recorder.calls if kind == "values" for step, given in [entry]
              for name, value in given.items()}  # fmt: skip
    rows = {row["step"]: row for row in run.losses()}
    assert sorted({step for step, name in values if name == "training/loss"}) == [6, 12]
    assert values[12, "training/loss"] == rows[12]["training_loss"]
    assert values[5, "validation/bits_per_character"] == rows[5]["validation_bits_per_character"]
    texts = dict(entry for kind, entry in Recorder.calls if kind == "texts")
    assert texts[7] == {"samples/1": (run.path / "samples/step-00000007.txt").read_text()}


def test_a_resumed_run_continues_the_same_tracked_run(
    tracked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(tracked({}, {}), tmp_path)
    assert [value for name, value in Recorder.calls if name == "start"] == [(0, None, "small")] * 2
    Recorder.calls.clear()
    run.resume(training={"steps": 14})
    assert [value for name, value in Recorder.calls if name == "start"] == [
        (12, "id-1", "small"),
        (12, "id-2", "small"),
    ]
    (run.path / TRACKERS).write_text("{}")
    Recorder.calls.clear()
    run.resume(training={"steps": 16})
    assert Recorder.calls[0] == ("start", (14, None, "small"))
    damaged = (
        f"seqforge: {run.path / TRACKERS}: damaged: it does not end with a checksum; the trackers start new runs\n"
    )
    assert damaged in capsys.readouterr().err


def test_a_report_that_cannot_be_written_costs_a_warning(
    tracked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(tracked({}, training={"steps": 2}), tmp_path)
    report = run.path / "report.html"
    report.unlink()
    report.mkdir()
    run.resume(training={"steps": 4})
    message = f"no report for the trackers: writing {report}: it is a folder, not a regular file\n"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("method", ["start", "values", "texts", "file", "finish"])
def test_a_tracker_that_fails_costs_a_warning(
    method: str, tracked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(tracked({"fails_in": method}, training={"steps": 8}), tmp_path)
    assert run.losses()[-1]["step"] == 8
    assert names().count(method) == 1
    assert names()[-1] == method
    message = "the tracker session/Recorder failed and is not called again: OSError: no connection"
    assert capsys.readouterr().err.count(message) == 1


def test_a_tracker_without_an_identifier_does_not_stop_the_others(
    tracked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Recorder, "start", lambda self, run: object() if self._fails_in else "id-2")
    train(tracked({"fails_in": "start"}, {}, training={"steps": 8}), tmp_path)
    assert "is not called again: ValueError: start returned <object" in capsys.readouterr().err
    assert names()[-1] == "finish"


def test_a_failing_tracker_does_not_stop_the_others(tracked: Any, tmp_path: Path) -> None:
    train(tracked({"fails_in": "values"}, {}, training={"steps": 8}), tmp_path)
    assert names().count("start") == 2
    assert names()[-1] == "finish"


def test_an_interrupted_run_ends_its_tracking_without_a_report(tracked: Any, tmp_path: Path) -> None:
    class Stop:
        def on_step_finished(self, event: Any) -> None:
            if event.step == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tracked({}), tmp_path, callbacks=[Stop()])
    assert Recorder.calls[-1] == ("finish", False)
    assert "file" not in names()
    assert Run.open(tmp_path / "small", components=[Recorder]).experiment.trackers[0].name == "session/Recorder"


def test_a_tracker_does_not_write_through_a_link(
    tracked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(tracked({}, training={"steps": 2}), tmp_path / "runs", progress=False)
    Recorder.calls = []
    link = run.path / "tensorboard"
    link.symlink_to(tmp_path)
    resumed = run.resume(training={"steps": 4}, progress=False)
    assert names() == []
    assert f"{link}: it is a symbolic link, and a tracker could write through it" in capsys.readouterr().err
    assert resumed.checkpoints.steps()[-1] == 4

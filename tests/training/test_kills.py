"""A process that is killed or interrupted loses nothing that is due, and leaves nothing behind."""

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqforge import Registry, Run, train
from seqforge.errors import RunError
from seqforge.interrupts import Interrupted, InterruptGuard
from seqforge.kinds import WorkProgressed
from seqforge.runs.resume import remove_temporary_files


class StopAtWork:
    """A callback that ends the process, as far as files are concerned, before an evaluation, a save or a sample."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.count = 0

    def on_work_progressed(self, event: WorkProgressed) -> None:
        if event.fraction is None and event.work in ("evaluating", "saving", "sampling"):
            self.count += 1
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


def content(run: Run) -> dict[str, Any]:
    files = [*run.directory.checkpoints.rglob("*.safetensors"), *run.directory.samples.iterdir()]
    records = run.metrics()
    for record in records:
        record.pop("seconds", None)
    return {
        "files": {str(path.relative_to(run.path)): path.read_bytes() for path in files},
        "log": records,
        "best": run.checkpoints.best(),
    }


@pytest.mark.parametrize(("task", "steps"), [("stream", 6), ("labelled", 11)])
def test_a_run_that_is_stopped_before_any_work_ends_as_if_it_had_not_been(
    task: str, steps: int, experiment: Any, labelled_experiment: Any, labelled: Registry, tmp_path: Path
) -> None:
    make = experiment if task == "stream" else labelled_experiment
    # Even steps sample, and some of them save before. The end evaluates; step 6 samples before that, step 11 after it.
    chosen = make(training={"steps": steps, "checkpoint_interval": 3, "log_interval": 1}, sampling={"interval": 2})
    counter = StopAtWork(0)
    expected = content(train(chosen, tmp_path / "whole", callbacks=[counter]))
    assert counter.count >= steps
    for number in range(1, counter.count + 1):
        with pytest.raises(KeyboardInterrupt):
            train(chosen, tmp_path / str(number), callbacks=[StopAtWork(number)])
        run = Run.open(tmp_path / str(number) / chosen.identity.name, registry=labelled)
        run.resume()
        assert content(run) == expected, number
        (left := run.path / "checkpoints" / ".manifest.json.1.tmp").touch()
        with pytest.raises(RunError, match="has already reached the end"):
            run.resume()
        assert not left.exists()


def test_a_second_ctrl_c_at_the_end_leaves_a_run_that_can_be_resumed(
    experiment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    class Interrupter:
        def on_work_progressed(self, event: WorkProgressed) -> None:
            if event.work == "sampling" and event.fraction is None:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(Interrupted) as caught:
            train(experiment(sampling={"interval": 99}), tmp_path, callbacks=[Interrupter()])
    finally:
        signal.signal(signal.SIGINT, previous)
    assert caught.value.exit_status == 130
    run = Run.open(tmp_path / "small", registry=registry)
    assert run.checkpoints.steps()[-1] == 12
    run.resume()
    assert [record["step"] for record in run.metrics() if record["event"] == "sample"] == [12]


def test_a_second_ctrl_c_in_a_finalizer_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    class Finalized:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0)

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with InterruptGuard() as guard:
            guard.wait_for_steps()
            os.kill(os.getpid(), signal.SIGINT)
            Finalized()
            with pytest.raises(Interrupted):
                time.sleep(10)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert "Exception ignored" not in capfd.readouterr().err


def test_a_labelled_run_without_validation_split_ends_once(
    labelled_experiment: Any, labelled: Registry, tmp_path: Path
) -> None:
    run = train(labelled_experiment(data={"validation_fraction": 0.0}), tmp_path)
    with pytest.raises(RunError, match="has already reached the end"):
        Run.open(run.path, registry=labelled).resume()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_before_training_ends_at_once_and_leaves_no_run(
    number: signal.Signals, status: int, experiment: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    class Interrupter:
        def on_work_progressed(self, event: WorkProgressed) -> None:
            if event.work == "timing backends":
                os.kill(os.getpid(), number)

    before = signal.signal(number, signal.SIG_DFL)  # nohup ignores SIGHUP
    request.addfinalizer(lambda: signal.signal(number, before))
    with pytest.raises(Interrupted) as caught:
        train(experiment(training={"backend": "auto"}), tmp_path / "runs", callbacks=[Interrupter()])
    assert caught.value.exit_status == status
    assert not (tmp_path / "runs").exists()
    assert signal.getsignal(number) == signal.SIG_DFL


def test_temporary_files_of_killed_processes_are_removed(experiment: Any, tmp_path: Path, registry: Registry) -> None:
    run = train(experiment(), tmp_path)
    left = [
        ".run.json.7.tmp",
        "samples/.a.7.tmp",
        "checkpoints/.step-3.7.tmp/model",
        "checkpoints/.step-3.7.tmp/.b.tmp",
    ]
    for name in left:
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).touch()
    (run.checkpoints.path(12) / ".manifest.json.7.tmp").touch()
    (run.path / "samples" / "notes.tmp").touch()
    remove_temporary_files(run.path)
    assert [path.name for path in run.path.rglob("*.tmp")] == ["notes.tmp"]
    (run.path / left[0]).touch()
    Run.open(run.path, ["training.steps=13"], registry).resume()
    assert not (run.path / left[0]).exists()


def test_a_checkpoint_that_is_partly_deleted_does_not_count(
    experiment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., None] = shutil.rmtree

    def stop(path: Path, **options: Any) -> None:
        for checkpoint in path.glob("step-*"):
            (checkpoint / "manifest.json").unlink()
            raise KeyboardInterrupt
        real(path, **options)

    monkeypatch.setattr(shutil, "rmtree", stop)
    with pytest.raises(KeyboardInterrupt):
        train(experiment(training={"checkpoint_interval": 1}, evaluation={"interval": 99}), tmp_path)
    monkeypatch.undo()
    run = Run.open(tmp_path / "small")
    assert run.checkpoints.steps() == [2, 3]
    run.resume()
    assert not list(run.path.rglob("*.tmp"))


def test_an_error_in_a_finalizer_that_is_no_interrupt_reaches_the_hook_of_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Fails:
        def __del__(self) -> None:
            raise ValueError("in a finalizer")

    seen = list[str]()
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: seen.append(str(unraisable.exc_value)))
    with InterruptGuard():
        Fails()
    assert seen == ["in a finalizer"]


def test_training_in_another_thread_changes_no_hook_of_the_interpreter() -> None:
    before, inside = sys.unraisablehook, []

    def enter() -> None:
        with InterruptGuard():
            inside.append(sys.unraisablehook)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert inside == [before]

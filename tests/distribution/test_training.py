"""Runs of two and three processes compared with runs of one."""

import gc
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import run_world
from torch.nn.parallel import DistributedDataParallel

from seqforge import Callback, Experiment, Registry, Run, train
from seqforge.errors import ExperimentError

STREAM: dict[str, Any] = {
    "training": {"batch_size": 6, "sequence_length": 8, "log_interval": 1, "steps": 12, "checkpoint_interval": 5},
    "sampling": {"count": 3, "interval": 6, "length": 15},
    "metrics": [{"use": "distinct"}],
}


def losses(run: Run) -> list[float]:
    return [record["loss"] for record in run.metrics() if "loss" in record]


def scores(run: Run) -> list[dict[str, Any]]:
    return [record for record in run.metrics() if record["event"] == "sample"]


def in_world(size: int, function: Callable[[], Run], folder: Path, registry: Registry | None = None) -> Run:
    """Train in several processes, and return the run."""
    results = run_world(size, lambda: str(function().path), folder / "world")
    assert len(set(results)) == 1, results
    assert not results[0].startswith("ERROR"), results
    return Run.open(results[0], registry=registry)


@pytest.mark.parametrize("backend", ["eager", "native"])
def test_streams_of_several_processes_have_the_losses_of_one(backend: str, experiment: Any, tmp_path: Path) -> None:
    table = {**STREAM, "training": {**STREAM["training"], "backend": backend, "accumulation": 2}}
    chosen: Experiment = experiment(**table)
    alone = train(chosen, tmp_path / "alone")
    for size in (2, 3) if backend == "eager" else (2,):
        together = in_world(size, lambda: train(chosen, tmp_path / "together"), tmp_path)
        assert losses(together) == pytest.approx(losses(alone), abs=1e-5)
        assert scores(together) == scores(alone)
        for sample in alone.directory.samples.iterdir():
            assert (together.directory.samples / sample.name).read_text() == sample.read_text()
        assert sorted(path.name for path in together.path.iterdir()) == sorted(
            path.name for path in alone.path.iterdir()
        )


@pytest.mark.parametrize("targets", ["class", "text"])
def test_labelled_examples_of_several_processes_have_the_losses_of_one(
    targets: str, labelled_experiment: Any, tmp_path: Path
) -> None:
    corpus = {"use": "made", "targets": "text", "output_mode": "sequence"} if targets == "text" else {"use": "made"}
    chosen: Experiment = labelled_experiment(
        corpus=corpus,
        training={"log_interval": 1, "accumulation": 2, "batch_size": 7},
        sampling={"count": 2, "interval": 1},
        metrics=[{"use": "exact"}],
    )
    alone = train(chosen, tmp_path / "alone")
    together = in_world(3, lambda: train(chosen, tmp_path / "together"), tmp_path, chosen.registry)
    assert losses(together) == pytest.approx(losses(alone), abs=1e-5)
    assert [path.read_text() for path in sorted(together.directory.samples.iterdir())] == [
        path.read_text() for path in sorted(alone.directory.samples.iterdir())
    ]
    assert list(alone.directory.samples.iterdir())
    evaluations = [[record for record in run.metrics() if record["event"] == "evaluation"] for run in (alone, together)]
    assert [record["exact.share"] for record in evaluations[1]] == [record["exact.share"] for record in evaluations[0]]


def test_a_checkpoint_is_resumed_by_any_number_of_processes(experiment: Any, tmp_path: Path) -> None:
    whole = train(experiment(**STREAM), tmp_path / "whole")
    first = {**STREAM, "training": {**STREAM["training"], "steps": 7}}

    def resumed(run: Run) -> Run:
        return Run(run.directory, experiment(**STREAM)).resume()

    begun = in_world(2, lambda: train(experiment(**first), tmp_path / "runs"), tmp_path)
    assert losses(resumed(begun))[-1] == pytest.approx(losses(whole)[-1], abs=1e-5)
    alone = train(experiment(**first), tmp_path / "runs")
    assert losses(in_world(3, lambda: resumed(alone), tmp_path))[-1] == pytest.approx(losses(whole)[-1], abs=1e-5)


def test_a_resumed_run_of_three_processes_with_dropout_is_bit_identical(experiment: Any, tmp_path: Path) -> None:
    def make(steps: int) -> Experiment:
        return experiment(**{**STREAM, "training": {**STREAM["training"], "steps": steps}}, model={"dropout": 0.4})

    whole = in_world(3, lambda: train(make(9), tmp_path / "runs"), tmp_path)
    part = in_world(3, lambda: train(make(4), tmp_path / "runs"), tmp_path)
    in_world(3, lambda: Run(part.directory, make(9)).resume(), tmp_path)
    for name in ("model.safetensors", "training.safetensors"):
        ours, theirs = (run.checkpoints.path(9) / name for run in (part, whole))
        assert ours.read_bytes() == theirs.read_bytes()


class StopSecond(Callback):
    """Sends a signal to the second process in a step of the first."""

    def on_step_finished(self, event: Any) -> None:
        """Send the signal in step 3."""
        if event.step == 3:
            process = int(Path(os.environ["SECOND"]).read_text())
            os.kill(process, signal.SIGTERM)
            time.sleep(0.2)


def test_a_signal_to_one_process_stops_all_at_the_same_step(
    experiment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECOND", str(tmp_path / "second"))

    def run() -> int:
        if os.environ["RANK"] == "1":
            (tmp_path / "second").write_text(str(os.getpid()))
        try:
            train(experiment(**STREAM), tmp_path / "runs", callbacks=[StopSecond()])
        except KeyboardInterrupt as stop:
            # The traceback must not keep what averages the gradients, since torch may hang when it is freed.
            kept = [one for one in gc.get_objects() if type(one) is DistributedDataParallel]
            return len(kept) or getattr(stop, "exit_status", 130)
        return 0

    assert run_world(2, run, tmp_path / "world") == [143, 143]
    stopped = Run.open(tmp_path / "runs/small")
    assert stopped.checkpoints.steps() == [4]
    assert losses(Run(stopped.directory, experiment(**STREAM)).resume()) == pytest.approx(
        losses(train(experiment(**STREAM), tmp_path / "whole")), abs=1e-5
    )


def test_mistakes_are_errors_of_every_process(experiment: Any, tmp_path: Path) -> None:
    def attempt(training: dict[str, Any]) -> str:
        try:
            train(experiment(training={**STREAM["training"], **training}), tmp_path / "runs")
        except ExperimentError as error:
            return str(error)
        return "no error"

    undivided = run_world(2, lambda: attempt({"batch_size": 5}), tmp_path / "world")
    assert len(set(undivided)) == 1
    assert "training.batch_size = 5 cannot be divided by 2 processes" in undivided[0]
    assert "Use 4 or 6, or another number of processes." in undivided[0]
    other = run_world(2, lambda: attempt({"steps": 3 + int(os.environ["RANK"])}), tmp_path / "world")
    assert "the experiment is not that of the first process: training.steps is 4, not 3" in json.dumps(other)
    assert not (tmp_path / "runs").exists()

"""Runs: their files, when they end, and their errors."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from seqforge import Experiment, Registry, Run, SeqforgeError, train
from seqforge.errors import DataError, ExperimentError, RunError
from seqforge.kinds import RunFinished, StepFinished
from seqforge.runs import metrics_log
from seqforge.runs.checkpoint_files import MODEL, PROGRESS
from seqforge.runs.metrics_log import MetricsLog, read_metrics
from seqforge.storage.records import to_sealed_json


class Recorder:
    """Keeps the events of all steps and of the end."""

    def __init__(self) -> None:
        self.finished: RunFinished | None = None
        self.steps: list[StepFinished] = []

    def on_step_finished(self, event: StepFinished) -> None:
        self.steps.append(event)

    def on_run_finished(self, event: RunFinished) -> None:
        self.finished = event


def train_and_record(experiment: Experiment, output: Path) -> tuple[Run, Recorder]:
    recorder = Recorder()
    return train(experiment, output, callbacks=[recorder]), recorder


def test_a_run_directory_contains_experiment_metrics_samples_and_checkpoints(
    experiment: Any, tmp_path: Path, registry: Registry
) -> None:
    chosen = experiment(metrics=[{"use": "distinct"}])
    run = train(chosen, tmp_path)
    assert run.path == tmp_path / "small"
    opened = Run.open(run.path, registry=registry)
    assert opened.experiment.table == chosen.table
    assert set(chosen.plugins) == {"seqforge", "essentials"}
    events = [(record["event"], record["step"]) for record in run.metrics()]
    assert events == [
        ("evaluation", 5),
        ("sample", 7),
        ("step", 10),
        ("evaluation", 10),
        ("evaluation", 12),
        ("sample", 12),
    ]
    assert {path.name for path in run.directory.samples.iterdir()} == {"step-00000007.txt", "step-00000012.txt"}
    assert "distinct.distinct_1" in run.metrics()[1]
    assert run.checkpoints.steps()[-1] == 12
    files = [path.name for path in run.path.rglob("*") if path.is_file()]
    assert not [name for name in files if name.endswith(("tmp", ".pt", ".pth", ".pkl"))]


def test_a_run_whose_name_exists_gets_a_number(experiment: Any, tmp_path: Path) -> None:
    chosen = experiment(training={"steps": 1})
    assert [train(chosen, tmp_path).path.name for _ in range(3)] == ["small", "small-2", "small-3"]


def test_training_lowers_the_validation_loss(experiment: Any, tmp_path: Path) -> None:
    run = train(experiment(training={"steps": 120}, evaluation={"interval": 20, "tokens": 1000}), tmp_path)
    losses = [record["loss"] for record in run.metrics() if record["event"] == "evaluation"]
    assert losses[-1] < 0.75 * losses[0]
    assert run.evaluate().loss == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize(
    ("training", "steps"), [({"steps": 7}, 7), ({"epochs": 0.5, "batch_size": 4, "sequence_length": 16}, 21)]
)
def test_a_run_ends_by_steps_or_epochs(
    training: dict[str, Any], steps: int, experiment: Any, tmp_path: Path, registry: Registry
) -> None:
    table = {"batch_size": 4, "sequence_length": 16, **training}
    chosen = Experiment.from_dict({**experiment().table, "training": table}, registry=registry)
    run, recorder = train_and_record(chosen, tmp_path)
    assert run.checkpoints.steps()[-1] == steps
    assert recorder.finished is not None
    assert recorder.finished.complete


def test_cut_documents_are_read_in_another_order(experiment: Any, tmp_path: Path) -> None:
    _, whole = train_and_record(experiment(), tmp_path)
    _, cut = train_and_record(experiment(data={"piece_length": 100}), tmp_path)
    assert [step.loss for step in cut.steps] != [step.loss for step in whole.steps]
    assert len(cut.steps) == len(whole.steps)


def test_a_run_ends_by_minutes(experiment: Any, tmp_path: Path, registry: Registry) -> None:
    table = {"batch_size": 4, "sequence_length": 16, "minutes": 0.01}
    chosen = Experiment.from_dict({**experiment().table, "training": table}, registry=registry)
    _, recorder = train_and_record(chosen, tmp_path)
    # No step begins after the limit. The last step, or the evaluation after it, may exceed the limit.
    assert all(event.seconds < 0.6 for event in recorder.steps[:-1])
    assert recorder.finished is not None
    assert recorder.finished.complete
    assert recorder.finished.seconds >= 0.6


def test_early_stopping_keeps_the_best_checkpoint(experiment: Any, tmp_path: Path, registry: Registry) -> None:
    # A large learning rate soon makes the validation loss worse.
    chosen = experiment(
        optimizer={"use": "adam", "learning_rate": 0.5},
        training={"patience": 2, "steps": 500},
        evaluation={"interval": 3},
    )
    run, recorder = train_and_record(chosen, tmp_path)
    losses = {record["step"]: record["loss"] for record in run.metrics() if record["event"] == "evaluation"}
    best = min(losses, key=lambda step: losses[step])
    assert recorder.finished is not None
    assert recorder.finished.reason.startswith("stopped early")
    assert recorder.finished.step == best + 2 * 3
    assert run.checkpoints.best() == (best, losses[best])
    assert run.checkpoints.find("best").name == f"step-{best:08d}"
    assert (run.checkpoints.path(best) / MODEL).exists()


def test_only_the_best_and_the_last_checkpoints_are_kept(experiment: Any, tmp_path: Path) -> None:
    chosen = experiment(
        optimizer={"use": "adam", "learning_rate": 0.5},
        training={"steps": 40, "checkpoint_interval": 2, "keep_checkpoints": 3},
        evaluation={"interval": 4},
    )
    checkpoints = train(chosen, tmp_path).checkpoints
    best = checkpoints.best()
    assert best is not None
    assert set(checkpoints.steps()) == {best[0], 36, 38, 40}


def test_a_loss_that_is_not_finite_is_an_error_that_names_a_checkpoint_to_resume_from(
    experiment: Any, tmp_path: Path, registry: Registry
) -> None:
    stable = train(experiment(optimizer={"use": "sgd", "learning_rate": 0.1}, training={"steps": 4}), tmp_path)
    diverging = ["optimizer.learning_rate=1e38", "training.steps=50", "training.checkpoint_interval=1"]
    with pytest.raises(RunError, match=r"step [56]: ") as caught:
        Run.open(stable.path, diverging, registry).resume()
    assert caught.value.hint is not None
    assert f"seqforge run --resume {stable.checkpoints.path(4)} " in caught.value.hint
    Run.open(stable.path, ["optimizer.learning_rate=0.1", "training.steps=6"], registry).resume("4")
    assert stable.checkpoints.steps()[-1] == 6
    assert stable.evaluate().loss < 5


def test_a_corpus_shorter_than_one_batch_is_an_error_before_a_run_is_created(experiment: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few for one batch of 64 sequences × 500 steps"):
        train(experiment(training={"batch_size": 64, "sequence_length": 500, "steps": 5}), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_an_unknown_device_is_an_error(experiment: Any, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="this machine has no device 'cuda:99'"):
        train(experiment(training={"device": "cuda:99", "steps": 1}), tmp_path)


def test_opening_a_folder_that_is_not_a_run_is_an_error(experiment: Any, tmp_path: Path) -> None:
    run = train(experiment(training={"steps": 1}), tmp_path)
    with pytest.raises(RunError, match="no such folder") as caught:
        Run.open(tmp_path / "smal")
    assert caught.value.hint == f"Did you mean {run.path}?"
    with pytest.raises(RunError, match="not a run directory"):
        Run.open(tmp_path)
    (run.path / "run.json").write_bytes(to_sealed_json({"version": 99}))
    with pytest.raises(RunError, match="format version 99; this program reads version 3"):
        Run.open(run.path)


def test_a_checkpoint_from_another_experiment_is_an_error(experiment: Any, tmp_path: Path, registry: Registry) -> None:
    run = train(experiment(training={"steps": 1}), tmp_path)
    other = Run.open(run.path, ["model.cells.0.hidden_size=13"], registry)
    with pytest.raises(
        RunError, match=r"from another experiment: stack.cells.0.input_weight is .* in the checkpoint and"
    ):
        other.model()


def test_a_changed_corpus_is_an_error(experiment: Any, tmp_path: Path, registry: Registry) -> None:
    run = train(experiment(training={"steps": 1}), tmp_path)
    # The tokens are the same, and only the vocabulary differs.
    text = experiment().corpus.table["text"].replace("z", "}")
    changed = Run.open(run.path, [f"corpus.text={json.dumps(text)}"], registry)
    with pytest.raises(RunError, match="the corpus is no longer the one"):
        changed.resume()
    with pytest.raises(RunError, match=r"(?s)the corpus is no longer the one.*Run\.probabilities"):
        changed.evaluate()


def test_a_damaged_checkpoint_is_an_error(experiment: Any, tmp_path: Path, registry: Registry) -> None:
    run = train(experiment(training={"steps": 1}), tmp_path)
    path = run.checkpoints.path(1)
    content = (path / MODEL).read_bytes()
    (path / MODEL).write_bytes(content[: len(content) // 2])
    with pytest.raises(RunError, match="damaged"):
        run.model()
    (path / MODEL).write_bytes(content)
    (path / PROGRESS).write_text("{")
    with pytest.raises(RunError, match="damaged"):
        run.resume()


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A device that is always full: every write to it fails with ENOSPC.
    monkeypatch.setattr(metrics_log, "open_regular", lambda path, mode="rb": Path("/dev/full").open(mode))  # noqa: SIM115
    with pytest.raises(RunError, match="the disk is full"):
        MetricsLog(tmp_path / "metrics.jsonl").append("step", 4, {})


def test_a_checkpoint_that_cannot_be_written_leaves_the_previous_one(
    experiment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_fsync, calls = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 40:
            raise OSError(28, "No space left on device")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    chosen = experiment(
        training={"steps": 50, "checkpoint_interval": 1}, evaluation={"interval": 99}, sampling={"interval": 99}
    )
    with pytest.raises(RunError, match="the disk is full") as caught:
        train(chosen, tmp_path)
    monkeypatch.undo()
    run = Run.open(tmp_path / "small")
    latest = run.checkpoints.find("latest")
    assert f"The last complete checkpoint is {latest}" in str(caught.value)
    run.model("latest")
    assert not list(run.directory.checkpoints.glob(".*"))


def test_a_line_truncated_by_a_crash_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    for step in (1, 2, 3):
        log.append("step", step, {"loss": 1.0})
    path.write_text(path.read_text()[:-9])
    assert [record["step"] for record in read_metrics(path)] == [1, 2]
    log.truncate(1)
    assert [record["step"] for record in read_metrics(path)] == [1]


def test_the_initial_checkpoint_depends_only_on_the_seed(experiment: Any, tmp_path: Path) -> None:
    run = train(experiment(training={"steps": 2}), tmp_path)
    first, again, trained = run.model("initial"), run.model("initial"), run.model("latest")
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, trained.head.weight)
    with pytest.raises(SeqforgeError, match="no checkpoint '77'"):
        run.model("77")


def test_values_that_json_cannot_hold_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    MetricsLog(path).append("evaluation", 1, {"loss": 1.0, "perplexity": float("inf"), "a": float("nan"), "b": None})
    assert path.read_text().startswith('{"event": "evaluation", "step": 1, "loss": 1.0, "checksum": "')
    assert read_metrics(path) == [{"event": "evaluation", "step": 1, "loss": 1.0}]


def test_a_failing_sampler_is_reported_and_training_continues(
    experiment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = experiment()
    monkeypatch.setattr(chosen.samplers[0].component, "transform", lambda self, logits, memory: 1 / 0)
    run = train(chosen, tmp_path)
    assert run.checkpoints.steps()[-1] == 12
    assert (
        "seqforge: no sample of step 7: sampler 'essentials/temperature': a call failed: ZeroDivisionError"
        in capsys.readouterr().err
    )
    assert not list(run.directory.samples.iterdir())

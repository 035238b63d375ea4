"""Resuming with other settings, from other checkpoints, and from damaged files."""

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from seqforge import Registry, Run, train
from seqforge.api.start_training import lock_run
from seqforge.distribution.world import World
from seqforge.errors import ExperimentError, RunError, SeqforgeError
from seqforge.events import RunStarted, StepFinished
from seqforge.runs.backends import read_backends
from seqforge.runs.checkpoint_files import PROGRESS, TRAINING
from seqforge.runs.directory import RunDirectory


@pytest.fixture(scope="module")
def trained(experiment: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    chosen = experiment(training={"steps": 6, "checkpoint_interval": 2, "keep_checkpoints": 9})
    return train(chosen, tmp_path_factory.mktemp("runs"))


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Run:
    return Run.open(shutil.copytree(trained.path, tmp_path / trained.path.name))


def changed(run: Run, registry: Registry, *overrides: str) -> Run:
    return Run.open(run.path, ["training.steps=8", *overrides], registry)


@pytest.mark.parametrize(
    "override",
    [
        "training.batch_size=2",
        "training.sequence_length=8",
        "training.accumulation=2",
        "experiment.seed=1",
        "data.validation_fraction=0.1",
        "model.cells.0.repeat=2",
        "model.cells.0.peepholes=true",
        "optimizer={use='sgd'}",
        "vocabulary.use='bytes'",
    ],
)
def test_changing_a_setting_on_which_the_state_depends_is_an_error_and_changes_no_file(
    override: str, run: Run, registry: Registry
) -> None:
    before = run.directory.experiment.read_bytes()
    with pytest.raises(ExperimentError, match=override.partition("=")[0].split(".")[0]):
        changed(run, registry, override).resume()
    assert run.directory.experiment.read_bytes() == before
    changed(run, registry).resume()
    assert run.checkpoints.steps()[-1] == 8


def test_a_new_learning_rate_takes_effect(run: Run, registry: Registry) -> None:
    changed(run, registry, "optimizer.learning_rate=0.003", "training.log_interval=1").resume()
    assert run.metrics()[-3]["learning_rate"] == 0.003


def test_a_run_may_continue_on_another_backend(experiment: Any, tmp_path: Path, registry: Registry) -> None:
    cells = [{"use": "lstm", "hidden_size": 7}]
    fused = train(experiment(training={"steps": 6, "backend": "onednn"}, model={"cells": cells}), tmp_path)
    assert read_backends(fused.path).cells == {"stack.cells.0": "onednn"}
    changed(fused, registry, "model.cells.0={use='lstm', hidden_size=7}", "training.backend=eager").resume()
    assert Run.open(fused.path, registry=registry).experiment.model.cells[0].name == "essentials/lstm"
    assert read_backends(fused.path).cells == {"stack.cells.0": "eager"}
    named = ["training.steps=9", "training.backend=onednn"]
    Run.open(fused.path, named, registry).resume()
    assert read_backends(fused.path).cells == {"stack.cells.0": "onednn"}
    other = Run.open(fused.path, ["training.steps=10", "model.cells.0={use='gru', hidden_size=7}"], registry)
    with pytest.raises(ExperimentError, match=r"\.use was 'essentials/lstm' and is now 'essentials/gru'"):
        other.resume()


def test_a_run_can_resume_from_an_earlier_checkpoint(run: Run, registry: Registry) -> None:
    assert run.checkpoints.steps() == [2, 4, 5, 6]
    changed(run, registry).resume("4")
    assert run.checkpoints.steps() == [2, 4, 5, 6, 8]
    steps = [record["step"] for record in run.metrics() if record["event"] == "evaluation"]
    assert steps == [5, 8]


def test_resuming_a_finished_run_is_an_error(run: Run, registry: Registry) -> None:
    lines = run.directory.metrics.read_text()
    with pytest.raises(RunError, match="the run has already reached the end") as caught:
        Run.open(run.path, ["training.minutes=100"], registry).resume()
    longer = "--set training.steps=…, or training={'steps': …} in Python"
    assert caught.value.hint == f"The limit is training.steps = 6. To train longer: {longer}"
    assert run.directory.metrics.read_text() == lines


def test_a_finished_run_with_one_validation_token_is_refused_too(experiment: Any, tmp_path: Path) -> None:
    fraction = 1 / len(experiment().table["corpus"]["text"])
    finished = train(experiment(training={"steps": 2}, data={"validation_fraction": fraction}), tmp_path)
    with pytest.raises(RunError, match="the run has already reached the end"):
        finished.resume()


def test_resuming_with_a_limit_before_the_checkpoint_is_an_error_and_changes_nothing(
    run: Run, registry: Registry
) -> None:
    before = run.checkpoints.steps(), run.checkpoints.best(), run.directory.experiment.read_bytes()
    with pytest.raises(RunError, match="the run has already reached the end"):
        Run.open(run.path, ["training.steps=4"], registry).resume("4")
    assert (run.checkpoints.steps(), run.checkpoints.best(), run.directory.experiment.read_bytes()) == before


def test_resuming_a_run_that_another_process_trains_is_an_error(run: Run, registry: Registry) -> None:
    with run.directory.lock(), pytest.raises(RunError, match="another process is training this run"):
        changed(run, registry).resume()


def test_a_run_that_another_process_has_trained_meanwhile_is_not_changed(
    run: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lock_later(directory: RunDirectory, world: World) -> AbstractContextManager[None]:
        monkeypatch.undo()
        changed(run, registry).resume()
        return lock_run(directory, world)

    monkeypatch.setattr("seqforge.api.start_training.lock_run", lock_later)
    with pytest.raises(RunError, match="another process has trained this run since this one was started"):
        changed(run, registry).resume()
    assert run.checkpoints.steps()[-1] == 8


class MoveRun:
    """A callback that moves the run directory after the first step, and copies it to its old name."""

    def __init__(self, *, replace: bool) -> None:
        self._replace = replace
        self._path = Path()

    def on_run_started(self, event: RunStarted) -> None:
        self._path = event.directory

    def on_step_finished(self, event: StepFinished) -> None:
        moved = self._path.with_name("moved")
        if not moved.exists():
            self._path.rename(moved)
            if self._replace:
                shutil.copytree(moved, self._path)


@pytest.mark.parametrize("replace", [True, False])
def test_a_run_whose_directory_is_moved_stops_and_does_not_write_to_another(
    experiment: Any, tmp_path: Path, replace: bool
) -> None:
    with pytest.raises(RunError, match="the run directory was deleted or moved while the run was trained"):
        train(experiment(), tmp_path, callbacks=[MoveRun(replace=replace)])
    moved, path = tmp_path / "moved", tmp_path / experiment().identity.name
    assert path.exists() is replace
    if replace:
        for file in filter(Path.is_file, moved.rglob("*")):
            assert (path / file.relative_to(moved)).read_bytes() == file.read_bytes()
        assert {file.name for file in path.rglob("*")} == {file.name for file in moved.rglob("*")}


def rewrite_tensors(run: Run, **tensors: torch.Tensor | None) -> None:
    file = run.checkpoints.path(6) / TRAINING
    content = safetensors.torch.load_file(file) | tensors
    safetensors.torch.save_file({name: tensor for name, tensor in content.items() if tensor is not None}, file)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("optimizer.0.exp_avg", torch.zeros(1)),
        ("optimizer.0.exp_avg", torch.zeros(3, 3)),
        ("optimizer.0.exp_avg", torch.zeros(48, 40, dtype=torch.int64)),
        ("optimizer.0.exp_avg", None),
        ("optimizer.0.momentum_buffer", torch.zeros(48, 40)),
        ("optimizer.99.exp_avg", torch.zeros(1)),
        ("optimizer.x.exp_avg", torch.zeros(1)),
        ("recurrent.0.0.0", torch.zeros(5, 12)),
        ("recurrent.0.0.0", torch.zeros(4, 12, dtype=torch.float64)),
        ("recurrent.0.0.1", None),
        ("random.cpu", torch.zeros(3, dtype=torch.uint8)),
        ("random.cpu", None),
    ],
)
def test_tensors_that_do_not_fit_are_an_error(
    name: str, tensor: torch.Tensor | None, run: Run, registry: Registry, reseal: Callable[[Path], None]
) -> None:
    rewrite_tensors(run, **{name: tensor})
    reseal(run.checkpoints.path(6))
    with pytest.raises(RunError, match="from another experiment"):
        changed(run, registry).resume()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("step", -3),
        ("step", 1e400),
        ("step", "6"),
        ("batches", 0),
        ("corpus", None),
        ("schedule", []),
        ("optimizer", {"0": {"step": [1]}}),
        ("optimizer", {"0": {"step": 10**400}}),
        ("step", 10**400),
        ("schedule", {"factor": 10**400, "best": None, "waited": 0}),
        ("schedule", {"factor": 1.0, "best": [float("inf")], "waited": 0}),
    ],
)
def test_plain_values_that_do_not_fit_are_an_error(
    key: str, value: Any, run: Run, registry: Registry, reseal: Callable[[Path], None]
) -> None:
    file = run.checkpoints.path(6) / PROGRESS
    progress = json.loads(file.read_text())
    file.write_text(json.dumps({**progress, key: value}))
    reseal(run.checkpoints.path(6))
    with pytest.raises(RunError, match=r"damaged|from another experiment"):
        changed(run, registry).resume()


@pytest.mark.parametrize("content", [b"", b"null", b"[" * 100_000, b"\xff", b'{"version": 1}'])
def test_a_damaged_progress_file_is_an_error(
    content: bytes, run: Run, registry: Registry, reseal: Callable[[Path], None]
) -> None:
    (run.checkpoints.path(6) / PROGRESS).write_bytes(content)
    reseal(run.checkpoints.path(6))
    with pytest.raises(RunError, match="damaged"):
        changed(run, registry).resume()


def test_a_prompt_that_cannot_be_encoded_is_an_error_before_a_run_is_created(experiment: Any, tmp_path: Path) -> None:
    with pytest.raises(SeqforgeError, match=r"sampling.prompt: .*'Z' at position 0"):
        train(experiment(sampling={"prompt": "Z"}), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("interval", "problem"), [(99, "the loss is nan"), (7, "the model's logits are not finite in a sample")]
)
def test_a_parameter_that_is_not_finite_is_never_saved(
    run: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch, interval: int, problem: str
) -> None:
    import seqforge.training.trainer as trainer

    original = trainer.train_step

    def spoil(state: Any, *arguments: Any) -> Any:
        result = original(state, *arguments)
        with torch.no_grad():
            state.model.head.bias[0] = float("nan")
        return result

    monkeypatch.setattr(trainer, "train_step", spoil)
    with pytest.raises(RunError, match=f"step 8: {problem}") as caught:
        changed(run, registry, f"sampling.interval={interval}").resume()
    assert "lower learning rate" in (caught.value.hint or "")
    assert run.checkpoints.steps() == [2, 4, 5, 6]


def test_logits_that_are_not_finite_are_an_error(run: Run, reseal: Callable[[Path], None]) -> None:
    file = run.checkpoints.path(6) / "model.safetensors"
    tensors = safetensors.torch.load_file(file)
    tensors["head.bias"][0] = float("nan")
    safetensors.torch.save_file(tensors, file)
    reseal(run.checkpoints.path(6))
    with pytest.raises(RunError, match="logits are not finite"):
        run.sample(length=5, checkpoint="6")
    with pytest.raises(RunError, match="the loss on held-out text is nan"):
        run.evaluate(checkpoint="6")


def test_a_failing_metric_is_reported_and_left_out(
    experiment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = experiment(metrics=[{"use": "distinct"}, {"use": "distinct", "lengths": [2]}], training={"steps": 7})
    component = chosen.metrics[0].component
    original = component.score

    def score(self: Any, texts: Any) -> Any:
        if len(self.lengths) > 1:
            raise RecursionError("nested too deep")
        return original(self, texts)

    monkeypatch.setattr(component, "score", score)
    run = train(chosen, tmp_path)
    sample = next(record for record in run.metrics() if record["event"] == "sample")
    assert "distinct-2.distinct_2" in sample
    assert not [key for key in sample if key.startswith("distinct.")]
    assert "the metric 'distinct' failed: RecursionError: nested too deep" in capsys.readouterr().err

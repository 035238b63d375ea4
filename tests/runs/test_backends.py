"""The backends of a run: recorded in its directory, pinned in its experiment, named on the command line."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from seqforge import Experiment, Run, train
from seqforge.errors import ExperimentError, RunError
from seqforge.kinds import WorkProgressed
from seqforge.model.build import build_model
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import Registration
from seqforge.registry.registry import Registry
from seqforge.runs.backends import BACKENDS, read_backends
from seqforge.storage.records import to_sealed_json

MakeExperiment = Callable[..., Experiment]


def test_a_run_records_its_backends_and_a_resumed_run_uses_them(experiment: MakeExperiment, tmp_path: Path) -> None:
    run = train(experiment(training={"backend": "onednn"}), tmp_path)
    assert read_backends(run.path).cells == {"stack.cells.0": "onednn"}
    Run.open(run.path, ["training.steps=14"]).resume()
    assert read_backends(run.path).cells == {"stack.cells.0": "onednn"}
    Run.open(run.path, ["training.steps=16", "training.backend=eager"]).resume()
    assert read_backends(run.path).cells == {"stack.cells.0": "eager"}


def test_a_kill_before_any_write_of_a_resumed_run_loses_no_pin(
    experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop before each file that is replaced, and resume as if only the run directory were known."""
    finished = train(experiment(training={"backend": "onednn"}), tmp_path).path
    replace, kept = os.replace, True
    for number in range(1, 100):
        run, count = shutil.copytree(finished, tmp_path / f"stopped-{number}"), 0

        def stop(*arguments: Any, **options: Any) -> None:
            nonlocal count
            count += 1
            if count == number:  # noqa: B023 - called in this iteration
                raise KeyboardInterrupt
            replace(*arguments, **options)

        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            patch.setattr(os, "replace", stop)
            Run.open(run, ["training.steps=14", "training.backend=eager"]).resume()
        if count < number:
            break
        if Run.open(run).experiment.training.backend == "eager":
            Run.open(run, ["training.steps=16"]).resume()
            kept &= read_backends(run).cells == {"stack.cells.0": "eager"}
    assert count > 2
    assert kept


def test_a_recorded_backend_that_is_unavailable_is_an_error_with_a_hint(
    experiment: MakeExperiment, tmp_path: Path
) -> None:
    run = train(experiment(), tmp_path)
    (run.path / BACKENDS).write_bytes(
        to_sealed_json({"version": 2, "cells": {"stack.cells.0": "gone"}, "precision": "float32"})
    )
    with pytest.raises(RunError, match="'gone', which is not available: no backend is called 'gone'") as caught:
        Run.open(run.path, ["training.steps=14"]).resume()
    assert "--set training.backend=auto" in str(caught.value.hint)
    Run.open(run.path, ["training.steps=14", "training.backend=auto"]).resume()
    assert run.checkpoints.steps()[-1] == 14


@pytest.mark.parametrize(("backend", "timed"), [("onednn", False), ("auto", True)])
def test_backends_are_timed_only_if_none_is_named(
    backend: str, timed: bool, experiment: MakeExperiment, tmp_path: Path
) -> None:
    class Listener:
        work: ClassVar[set[str]] = set()

        def on_work_progressed(self, event: WorkProgressed) -> None:
            self.work.add(event.work)

    train(experiment(training={"backend": backend, "device": "cpu", "steps": 1}), tmp_path, callbacks=[Listener()])
    assert ("timing backends" in Listener.work) == timed


def test_a_model_without_a_record_runs_in_plain_torch(
    experiment: MakeExperiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(experiment(), tmp_path)
    expected = run.sample(length=5)
    (run.path / BACKENDS).unlink()
    assert Run.open(run.path).sample(length=5) == expected
    assert "backends.json: the file is missing" in capsys.readouterr().err
    with pytest.raises(RunError, match=r"backends\.json: the file is missing") as caught:
        Run.open(run.path, ["training.steps=14"]).resume()
    assert f"seqforge run --resume {run.path} --set training.backend=auto" in str(caught.value.hint)


def test_backends_of_one_name_are_told_apart_by_their_plugins(
    experiment: MakeExperiment, registry: Registry, tmp_path: Path
) -> None:
    onednn = Registration("backend", "other", "onednn", "seqforge.model.install_backend:EagerBackend")
    other = Plugin("other", "", "", "1", PluginState.OK, registrations=(onednn,))
    both = Registry([*registry.plugins, other])

    def pinned_to(backend: str) -> Experiment:
        table = experiment(training={"steps": 2}).table
        return Experiment.from_dict({**table, "training": {**table["training"], "backend": backend}}, registry=both)

    kinds = {"other/onednn": "EagerBackend", "cudnn/onednn": "OnednnBackend", "onednn": "OnednnBackend"}
    for name, kind in kinds.items():
        chosen = pinned_to(name)
        run = train(chosen, tmp_path)
        assert read_backends(run.path).cells == {"stack.cells.0": name.removeprefix("cudnn/")}
        assert [type(backend).__name__ for backend in build_model(chosen, 5).backends] == [kind]
    with pytest.raises(ExperimentError, match="no backend is called 'nobody/eager'"):
        pinned_to("nobody/eager")


def test_a_damaged_record_is_an_error_with_a_hint(experiment: MakeExperiment, tmp_path: Path) -> None:
    run = train(experiment(), tmp_path)
    (run.path / BACKENDS).write_bytes(to_sealed_json({"version": 2, "cells": {"a": 1}, "precision": "float32"}))
    with pytest.raises(RunError, match=r"backends\.json: (damaged: |format version )") as caught:
        read_backends(run.path)
    assert "--set training.backend=auto" in str(caught.value.hint)


def test_an_unknown_backend_is_an_error_with_the_nearest_name(experiment: MakeExperiment) -> None:
    with pytest.raises(ExperimentError) as caught:
        experiment(training={"backend": "onedn"})
    assert "training.backend: no backend is called 'onedn'" in str(caught.value)
    assert "'onednn'" in str(caught.value)


def test_the_option_backend_pins_the_backend_of_a_run(
    seqforge: Any, experiment: MakeExperiment, tmp_path: Path
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(experiment(training={"backend": "auto", "device": "cpu"}).to_toml())
    result = seqforge("run", path, "--backend", "onednn")
    assert result.returncode == 0, result.stderr
    (run,) = (tmp_path / "runs").iterdir()
    assert read_backends(run).cells == {"stack.cells.0": "onednn"}
    wrong = seqforge("run", path, "--backend", "onedn")
    assert wrong.returncode != 0
    assert "no backend is called 'onedn'" in wrong.stderr
    assert "'onednn'" in wrong.stderr

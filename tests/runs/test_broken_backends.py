"""A backend that cannot be loaded stops no run on other backends."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seqforge import Experiment, Run, train
from seqforge.cli.app import build_app
from seqforge.errors import ExperimentError, RunError
from seqforge.kinds import RunStarted
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import Registration
from seqforge.registry.registry import Registry
from seqforge.runs.backends import BACKENDS, read_backends
from seqforge.storage.records import to_sealed_json

FAILS_ON_IMPORT = "raise ImportError('libfast.so.2: no such file')"

FAILS_ON_CONSTRUCTION = """
from seqforge.kinds import Backend

class Broken(Backend):
    def __init__(self):
        raise OSError("libfast.so.2: no such file")

    def unsupported(self, cell, context): ...

    def sequence_function(self, cell, context): ...
"""

FAULTS = {
    FAILS_ON_IMPORT: "backend 'test/broken' cannot be imported: ImportError: libfast.so.2: no such file",
    FAILS_ON_CONSTRUCTION: "backend 'test/broken': its __init__ failed: OSError: libfast.so.2: no such file",
}


@pytest.fixture(params=FAULTS, ids=["import", "construction"])
def source(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def broken(source: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return a registry of `essentials` and a plugin whose backend cannot be loaded."""
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin/seqforge_broken.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path / "plugin")
    monkeypatch.delitem(sys.modules, "seqforge_broken", raising=False)
    essentials = [plugin for plugin in registry.plugins if plugin.name == "essentials"]
    found = (Registration("backend", "test", "broken", "seqforge_broken:Broken"),)
    return Registry([*essentials, Plugin("test", "", "", "1", PluginState.OK, registrations=found)])


@pytest.fixture
def make(broken: Registry, experiment: Callable[..., Experiment]) -> Callable[[str], Experiment]:
    def make(backend: str) -> Experiment:
        table = experiment(training={"device": "cpu", "steps": 2}).table
        training = {**table["training"], "backend": backend}
        return Experiment.from_dict({**table, "training": training}, registry=broken)

    return make


class Listener:
    def on_run_started(self, event: RunStarted) -> None:
        self.started = event


def test_a_run_uses_another_backend_and_its_first_lines_name_the_plugin(
    make: Any, source: str, broken: Registry, tmp_path: Path
) -> None:
    listener = Listener()
    run = train(make("auto"), tmp_path / "runs", callbacks=[listener])
    assert read_backends(run.path).cells == {"stack.cells.0": "eager"}
    (line,) = listener.started.backends
    assert line.startswith(f"stack.cells.0: LSTM on eager; broken: {FAULTS[source]}")
    assert line.endswith("; reinstall or update the plugin 'test'")
    assert Run.open(run.path, registry=broken).sample("line", length=4)


def test_the_table_of_backends_has_the_reason(make: Any, source: str, broken: Registry, tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(make("auto").to_toml())
    result = CliRunner().invoke(build_app(broken), ["doctor", str(path), "--json"])
    assert result.exit_code == 0, result.output
    (cell,) = json.loads(result.stdout)
    assert cell["seconds"].keys() == {"eager"}
    assert cell["refused"]["broken"].startswith(FAULTS[source])


def test_a_pin_to_it_is_an_error_with_the_reason(make: Any, source: str, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError) as caught:
        train(make("broken"), tmp_path / "runs")
    assert f"the backend broken cannot run stack.cells.0 (LSTM): {FAULTS[source]}" in caught.value.message
    assert not (tmp_path / "runs").exists()


def test_a_run_that_was_trained_on_it_is_sampled_in_plain_torch_but_not_resumed(
    make: Any, source: str, broken: Registry, tmp_path: Path
) -> None:
    run = train(make("eager"), tmp_path / "runs")
    record = {"version": 2, "cells": {"stack.cells.0": "broken"}, "precision": "float32"}
    (run.path / BACKENDS).write_bytes(to_sealed_json(record))
    opened = Run.open(run.path, ["training.steps=3"], registry=broken)
    assert opened.sample("line", length=4)
    with pytest.raises(RunError, match="'broken', which is not available") as caught:
        opened.resume()
    assert FAULTS[source] in caught.value.message

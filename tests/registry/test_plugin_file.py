"""Plugins of a single file: which classes are components, their names, what a run records, and errors."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seqforge import Experiment
from seqforge.cli.app import build_app
from seqforge.errors import PluginError, SeqforgeError
from seqforge.registry import with_plugin_file
from seqforge.registry.local_plugins import component_name
from seqforge.registry.registry import Registry

CELL = """
from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from seqforge.kinds import FactoredCell, HiddenState, Sampler


class _Base(FactoredCell[HiddenState]):
    def __init__(
        self, input_size: int, hidden_size: Annotated[PositiveInt, Field(description="Units.")] = 8
    ) -> None:
        super().__init__(input_size, hidden_size, gates_size=hidden_size)

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(self.bias.new_zeros(batch_size, self.hidden_size))


class MyRNN(_Base):
    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        hidden = torch.tanh(input_gates + recurrent_gates)
        return hidden, HiddenState(hidden)
"""

EXPERIMENT: dict[str, Any] = {
    "corpus": {"use": "inline", "text": "abcd" * 20},
    "model": {"cells": [{"use": "my-rnn"}]},
    "training": {"batch_size": 2, "sequence_length": 5, "steps": 2, "backend": "eager"},
}


@pytest.fixture(autouse=True)
def _forget_modules() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.startswith("plugin_file_")]:
        del sys.modules[name]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_cells.py"
    path.write_text(CELL)
    return path


@pytest.mark.parametrize(
    ("class_name", "name"),
    [
        ("ClockworkRNN", "clockwork-rnn"),
        ("SLSTM", "slstm"),
        ("IndRNN", "ind-rnn"),
        ("LSTMWithPeepholes", "lstm-with-peepholes"),
        ("Top2", "top2"),
        ("NotANumber", "not-a-number"),
        ("A", "a"),
        ("Two_Words", "two-words"),
    ],
)
def test_the_name_of_a_class(class_name: str, name: str) -> None:
    assert component_name(class_name) == name


def test_the_classes_of_a_file_are_components(file: Path, registry: Registry) -> None:
    found = with_plugin_file(registry, file)
    plugin = found.plugins[-1]
    assert [(entry.kind, entry.qualified_name) for entry in plugin.registrations] == [("cell", "my_cells.py/my-rnn")]
    experiment = Experiment.from_dict(EXPERIMENT, registry=found)
    assert experiment.table["model"]["cells"] == [{"use": "my_cells.py/my-rnn", "hidden_size": 8}]
    assert experiment.table["plugins"]["my_cells.py"] == plugin.version
    assert plugin.version.startswith("sha256:")
    file.write_text(CELL + "\n")
    assert with_plugin_file(registry, file).plugins[-1].version != plugin.version


def test_a_name_that_an_installed_plugin_has_is_not_used_by_mistake(file: Path, registry: Registry) -> None:
    file.write_text(CELL.replace("MyRNN", "LSTM"))
    found = with_plugin_file(registry, file)
    with pytest.raises(PluginError, match="'lstm' is offered by more than one plugin") as error:
        found.find("cell", "lstm")
    assert error.value.hint == "Write one of: essentials/lstm, my_cells.py/lstm."
    assert found.find("cell", "essentials/lstm").plugin == "essentials"
    assert found.find("cell", "my_cells.py/lstm").component is not None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n", "has no component"),
        ("x = (\n", "cannot be imported: SyntaxError"),
        ("x = 1\nint('x')\n", "cannot be imported: ValueError: invalid literal for int() with base 10: 'x' (line 2)"),
        ("import a_module_that_is_not_there\n", "Install the module, or make a package"),
        (CELL + "\n\nclass My_RNN(MyRNN): ...\n", "two cell classes have the name 'my-rnn'"),
    ],
)
def test_errors_in_a_file(source: str, message: str, file: Path, registry: Registry) -> None:
    file.write_text(source)
    with pytest.raises(PluginError) as error:
        with_plugin_file(registry, file)
    assert str(file) in str(error.value)
    assert message in str(error.value)


def test_errors_of_a_path(file: Path, tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(PluginError, match="No such file"):
        with_plugin_file(registry, tmp_path / "missing.py")
    with pytest.raises(PluginError, match=r"pip install -e"):
        with_plugin_file(registry, tmp_path)
    with pytest.raises(PluginError, match=r"already called 'my_cells[.]py'"):
        with_plugin_file(with_plugin_file(registry, file), file)


def test_a_fault_of_a_class_names_the_file(file: Path, registry: Registry) -> None:
    file.write_text(CELL.replace("def pointwise", "def pointwice"))
    with pytest.raises(SeqforgeError) as error:
        Experiment.from_dict(EXPERIMENT, registry=with_plugin_file(registry, file))
    assert "is unfinished: my_cells.py:MyRNN does not implement pointwise" in str(error.value)
    assert "Correct 'my-rnn' in my_cells.py." in str(error.value)


def test_a_run_needs_the_file_and_notices_a_change(
    file: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--corpus", "inline", "--set", "corpus.text=abcdabcdabcdabcdabcdabcd", "--set", "training.steps=2"]
    arguments += ["--set", "training.batch_size=1", "--set", "training.sequence_length=5", "--backend", "eager"]
    runner, app = CliRunner(), build_app(registry)
    trained = runner.invoke(app, ["run", *arguments, "--plugin", str(file), "--cell", "my-rnn"])
    assert trained.exit_code == 0, trained.exception
    sample = ["sample", "runs/inline", "--length", "3"]
    error = runner.invoke(app, sample).exception
    assert isinstance(error, SeqforgeError)
    assert "plugins.my_cells.py: the file my_cells.py is needed" in error.message
    assert "Add --plugin and its path, or pass a registry" in error.message
    unchanged = runner.invoke(app, [*sample, "--plugin", str(file)])
    assert (unchanged.exit_code, unchanged.stderr) == (0, "")
    file.write_text(CELL + "\n# changed\n")
    changed = runner.invoke(app, [*sample, "--plugin", str(file)])
    assert changed.exit_code == 0
    assert "this run was created with other versions: my_cells.py sha256:" in changed.stderr


def test_every_command_that_uses_components_has_the_option(registry: Registry) -> None:
    runner, app = CliRunner(), build_app(registry)
    for command in ("run", "sample", "predict", "evaluate", "inspect", "check", "doctor", "schema"):
        assert "--plugin" in runner.invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout, command

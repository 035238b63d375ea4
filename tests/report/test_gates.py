"""The gates of a cell, which are found while it computes a step."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from seqforge import Registry
from seqforge.report.layers import GateRecorder, read_cell

Values = Tensor


def own_variables(x: Values) -> Values:
    keep_gate = torch.sigmoid(x)
    z = keep_gate if x.sum() > 1e9 else x.sigmoid()
    return keep_gate * z


def several_in_one_call(x: Values) -> Values:
    i, f, o = torch.sigmoid(torch.cat([x, x + 1, x + 2], dim=-1)).chunk(3, dim=-1)
    return i * f * o


def without_a_variable(x: Values) -> Values:
    return x * functional.sigmoid(x + 1) + (1 - nn.Sigmoid()(x))


def activation(x: Values) -> Values:
    return torch.where(x >= 0, x + 0.5, torch.sigmoid(x))


def other_size(x: Values) -> Values:
    share = torch.sigmoid(x[:, :1])
    return x * share


@pytest.mark.parametrize(
    ("step", "names"),
    [
        (own_variables, ["keep", "update"]),
        (several_in_one_call, ["input", "forget", "output"]),
        (without_a_variable, ["functional.sigmoid(x + 1)"]),
        (activation, []),
        (other_size, []),
    ],
)
def test_a_gate_has_the_name_of_its_variable(step: Any, names: list[str]) -> None:
    recorder = GateRecorder(hidden_size=3)
    inputs = torch.linspace(-1, 1, 6).reshape(2, 3)
    for _ in range(2):
        with recorder:
            step(inputs)
    assert list(recorder.gates) == names
    if "forget" in names:
        assert torch.equal(recorder.gates["forget"][1], torch.sigmoid(inputs + 1))


def test_gates_of_code_without_a_source_have_numbers() -> None:
    space: dict[str, Any] = {"torch": torch}
    exec("def step(x):\n    f = torch.sigmoid(x)\n    return f * torch.sigmoid(x)", space)
    with (recorder := GateRecorder(hidden_size=3)):
        space["step"](torch.zeros(2, 3))
    assert list(recorder.gates) == ["sigmoid", "sigmoid 2"]


@pytest.mark.parametrize(
    ("use", "options", "names"),
    [
        ("lstm", {}, ["forget", "input", "output"]),
        ("lstm", {"coupled_gates": True, "peepholes": True}, ["forget", "output"]),
        ("gru", {}, ["reset", "update"]),
        ("reset-before-gru", {}, ["reset", "update"]),
        ("min-gru", {}, ["update"]),
        ("min-lstm", {}, ["fraction"]),
        ("sru", {}, ["forget", "reset"]),
        ("rnn", {}, []),
    ],
)
def test_gates_of_cells(registry: Registry, use: str, options: dict[str, Any], names: list[str]) -> None:
    cell = registry.load(registry.find("cell", use))(input_size=5, hidden_size=4, **options)
    with torch.inference_mode():
        tokens = torch.randint(0, 5, (7, 2))
        outputs, reading = read_cell(cell, tokens)
        torch.testing.assert_close(outputs, cell(tokens, cell.initial_state(2))[0])
    assert list(reading.gates) == names
    assert all(values.shape == (7, 2, 4) for values in reading.gates.values())

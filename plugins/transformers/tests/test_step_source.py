"""The source of a step computes what the cells compute, for every cell."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from seqforge_essentials.vocabularies import Characters
from seqforge_transformers.step_source import write_step
from stacks_of_cells import STACKS_OF_CELLS
from torch.nn import functional

from seqforge import Experiment, Registry
from seqforge.evaluation.exported import trained_model
from seqforge.kinds import Cell, HiddenState, TrainedModel
from seqforge.model.build import build_model

REGISTRY = Registry.installed()


def build(cells: list[dict[str, Any]], registry: Registry = REGISTRY, **model: Any) -> TrainedModel:
    """Return a model of five symbols with random parameters, large enough for every part of it to matter."""
    tables = {
        "corpus": {"use": "inline", "text": "abcde"},
        "data": {"reset_state": "document"},
        "model": {"cells": cells, **model},
        "training": {"steps": 1, "precision": "float32"},
    }
    built = build_model(Experiment.from_dict(tables, Path.cwd(), registry), 5).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape))
        built.constrain_parameters()
    vocabulary = Characters()
    vocabulary.learn([b"abcde"])
    return trained_model("small", built, vocabulary)


def require_equal(model: TrainedModel) -> list[str]:
    """Check several steps of one row and of three, and return the source."""
    lines, tensors = write_step(model)
    states = list(model.state_tensors)
    body = "\n".join(lines).replace("\n", "\n    ")
    results = ", ".join(f"next_{name}" for name in states)
    source = f"def step(self, symbols, {', '.join(states)}):\n    {body}\n    return logits, ({results},)\n"
    names: dict[str, Any] = {"torch": torch, "functional": functional}
    exec(source, names)
    for rows in (1, 3):
        before = expected = tuple(tensor.expand(rows, *tensor.shape[1:]) for tensor in model.state_tensors.values())
        for _ in range(4):
            symbols = torch.randint(5, (rows,))
            with torch.no_grad():
                logits, before = names["step"](SimpleNamespace(**tensors), symbols, *before)
                wanted, expected = model(symbols, expected)
            found, other = (
                {"logits": one, **dict(zip(states, parts, strict=True))}
                for one, parts in ((logits, before), (wanted, expected))
            )
            torch.testing.assert_close(found, other, rtol=1e-4, atol=1e-5)
    return lines


@pytest.mark.parametrize("cells", STACKS_OF_CELLS.values(), ids=STACKS_OF_CELLS)
def test_every_cell_is_computed_by_its_name(cells: list[dict[str, Any]]) -> None:
    require_equal(build(cells, embedding_size=6))


@pytest.mark.parametrize(
    ("cells", "options"),
    [
        ([{"use": "lstm", "hidden_size": 4}, {"use": "gru", "hidden_size": 6}], {"final_norm": "rms"}),
        ([{"use": "mlstm", "hidden_size": 8}], {"initial_state": "learned"}),
        ([{"use": "rnn", "hidden_size": 6}], {"embedding_size": 6, "tied_weights": True, "final_norm": "layer"}),
        ([{"use": "lstm", "hidden_size": 4, "peepholes": True}], {}),
        ([{"use": "sru", "hidden_size": 4}, {"use": "rwkv-7", "hidden_size": 8}], {}),
    ],
)
def test_every_part_of_a_model_is_computed(cells: list[dict[str, Any]], options: dict[str, Any]) -> None:
    require_equal(build(cells, **options))


class Arithmetic(Cell[HiddenState]):
    """A cell with differences, products and indices of the last axis."""

    def __init__(self, input_size: int, hidden_size: int = 4) -> None:
        super().__init__(input_size, hidden_size)
        self.weight = torch.nn.Parameter(torch.rand(hidden_size))

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(self.weight.new_zeros(batch_size, self.hidden_size))

    def step(self, projected: torch.Tensor, state: HiddenState) -> tuple[torch.Tensor, HiddenState]:
        first = projected.narrow(-1, 0, 1) + projected.select(-1, 1).unsqueeze(-1)
        hidden = torch.tanh((1 - (first * self.weight + state.hidden)) * (2 - (3 - state.hidden)) - (1 - first))
        return hidden, HiddenState(hidden)


def test_differences_and_negative_axes_are_computed() -> None:
    model = build([{"use": "session/Arithmetic"}], REGISTRY.with_components([Arithmetic]), embedding_size=6)
    require_equal(model)


def test_the_source_explains_the_model() -> None:
    lines = require_equal(build([{"use": "lstm", "hidden_size": 4}, {"use": "rnn", "hidden_size": 4}]))
    assert lines[0].startswith("# Layer 0, LSTM: Long short-term memory (Hochreiter & Schmidhuber 1997)")
    content = "torch.sigmoid(split[1]) * layer_0_cell + torch.sigmoid(split[0]) * torch.tanh(split[2])"
    assert f"next_layer_0_cell = {content}" in lines
    assert [line for line in lines if line.startswith("# Layer 1, RNN: ")]
    assert not re.search("torch.ops|_assert", "\n".join(lines))

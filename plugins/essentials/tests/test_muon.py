"""Muon for matrices between units, and AdamW for the rest."""

from typing import Any

import pytest
import torch
from seqforge_essentials.optimizers import Muon, is_hidden_weight
from torch import nn

SHAPES = {
    "stack.cells.0.input_weight": (12, 5),
    "stack.cells.0.recurrent_weight": (12, 3),
    "stack.cells.0.bias": (2, 12),
    "stack.cells.1.input_weight": (12, 3),
    "head.weight": (5, 3),
}
HIDDEN = {"stack.cells.0.recurrent_weight", "stack.cells.1.input_weight"}


def parameters() -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return {name: nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in SHAPES.items()}


def train(values: dict[str, nn.Parameter], *optimizers: torch.optim.Optimizer) -> None:
    for step in range(5):
        for number, parameter in enumerate(values.values()):
            parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(10 * step + number))
        for optimizer in optimizers:
            optimizer.step()


@pytest.mark.parametrize(
    ("name", "shape", "hidden"),
    [
        *((name, shape, name in HIDDEN) for name, shape in SHAPES.items()),
        ("stack.backward_cells.0.weight_hh_l0", (12, 3), True),
        ("stack.cells.1.kernel", (2, 12, 3), False),
        ("input.embedding.weight", (5, 3), False),
        ("decoder.input.embedding.weight", (5, 3), False),
        ("decoder.stack.cells.0.weight_ih_l0", (12, 8), False),
        ("decoder.bridge.weight", (3, 3), True),
        ("stack.cells.1.convolution", (3, 8), False),
    ],
)
def test_names_and_shapes_decide_which_weights_are_hidden(name: str, shape: tuple[int, ...], hidden: bool):
    assert is_hidden_weight(name, nn.Parameter(torch.zeros(shape))) is hidden


def test_steps_equal_those_of_two_torch_optimizers():
    ours, theirs = parameters(), parameters()
    train(ours, Muon(learning_rate=0.01, weight_decay=0.2).build(ours.items()))
    muon: dict[str, Any] = {"lr": 0.01, "weight_decay": 0.2, "adjust_lr_fn": "match_rms_adamw"}
    adamw: dict[str, Any] = {"lr": 0.01, "betas": (0.9, 0.99)}
    bias = [theirs["stack.cells.0.bias"]]
    rest = [theirs["stack.cells.0.input_weight"], theirs["head.weight"]]
    train(
        theirs,
        torch.optim.Muon([theirs[name] for name in SHAPES if name in HIDDEN], **muon),
        torch.optim.AdamW([{"params": rest, "weight_decay": 0.2}, {"params": bias, "weight_decay": 0.0}], **adamw),
    )
    for name, parameter in ours.items():
        torch.testing.assert_close(parameter, theirs[name], msg=name)
        assert not torch.equal(parameter, parameters()[name])


@pytest.mark.parametrize("names", [HIDDEN, SHAPES.keys() - HIDDEN])
def test_a_model_may_lack_one_of_the_two_kinds_of_parameters(names: set[str]):
    values = {name: parameter for name, parameter in parameters().items() if name in names}
    train(values, Muon().build(values.items()))
    assert all(not torch.equal(parameter, parameters()[name]) for name, parameter in values.items())

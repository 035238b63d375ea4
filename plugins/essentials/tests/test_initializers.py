"""Initial weights, over the names that cells and heads have."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.initializers import Default, Normal, Orthogonal, Uniform

from seqforge.interfaces import Initializer

SHAPES = {
    "input.embedding.weight": (50, 40),
    "stack.cells.0.input_weight": (256, 40),
    "stack.cells.0.recurrent_weight": (256, 64),
    "stack.cells.0.bias": (256,),
    "stack.cells.0.recurrent_bias": (64,),
    "stack.cells.0.forget_peephole": (64,),
    "stack.cells.1.module.weight_ih_l0": (192, 64),
    "stack.cells.1.module.weight_hh_l0": (192, 64),
    "stack.cells.1.module.bias_hh_l0": (192,),
    "head.weight": (50, 64),
    "head.bias": (50,),
}
RECURRENT = ("stack.cells.0.recurrent_weight", "stack.cells.1.module.weight_hh_l0")
BIASES = [name for name in SHAPES if "bias" in name]
OWN = 7.0
"""Stands for what a module filled in itself."""


def initialized(initializer: Initializer) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    parameters = {name: torch.full(shape, OWN) for name, shape in SHAPES.items()}
    for name, parameter in parameters.items():
        initializer.initialize(name, parameter)
    return parameters


def test_default_leaves_every_value():
    assert all((parameter == OWN).all() for parameter in initialized(Default()).values())


@pytest.mark.parametrize("scale", [0.08, 0.5])
def test_uniform_fills_all_of_its_interval_biases_too(scale: float):
    for name, parameter in initialized(Uniform(scale)).items():
        assert parameter.abs().max() <= scale, name
        assert parameter.abs().max() > 0.9 * scale, name
        assert parameter.min() < 0 < parameter.max(), name


def test_uniform_is_the_papers_by_default():
    weight = initialized(Uniform())["stack.cells.0.recurrent_weight"]
    assert 0.0799 < weight.abs().max() <= 0.08


def test_normal_draws_matrices_and_clears_biases():
    parameters = initialized(Normal(0.3))
    for name in BIASES:
        assert (parameters[name] == 0).all()
    assert (parameters["stack.cells.0.forget_peephole"] == OWN).all()
    weight = parameters["stack.cells.0.input_weight"]
    assert weight.mean().abs() < 0.01
    assert weight.std() == pytest.approx(0.3, rel=0.03)


@pytest.mark.parametrize("gain", [1.0, 0.5])
@pytest.mark.parametrize("name", RECURRENT)
def test_each_gate_is_orthogonal_and_no_two_are_the_same(name: str, gain: float):
    gates = initialized(Orthogonal(gain))[name].split(64)
    for gate in gates:
        torch.testing.assert_close(gate.T @ gate, gain**2 * torch.eye(64), atol=1e-5, rtol=0)
    assert not torch.allclose(gates[0], gates[1], atol=1e-2)


def test_orthogonal_leaves_vectors_clears_biases_and_draws_the_rest_after_glorot():
    parameters = initialized(Orthogonal())
    for name in BIASES:
        assert (parameters[name] == 0).all()
    assert (parameters["stack.cells.0.forget_peephole"] == OWN).all()
    for name in ("input.embedding.weight", "stack.cells.0.input_weight", "head.weight"):
        bound = (6 / sum(SHAPES[name])) ** 0.5
        assert 0.95 * bound < parameters[name].abs().max() <= bound


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(1, 5))
def test_any_number_of_gates_of_any_size_is_found(hidden: int, gates: int):
    weight = torch.zeros(gates * hidden, hidden)
    Orthogonal().initialize("recurrent_weight", weight)
    for gate in weight.split(hidden):
        torch.testing.assert_close(gate @ gate.T, torch.eye(hidden), atol=1e-5, rtol=0)

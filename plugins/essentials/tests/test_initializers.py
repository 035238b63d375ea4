"""Initializers, with parameter names of cells and heads."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.initializers import Default, Normal, Orthogonal, Uniform

from seqforge.kinds import Initializer

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
MODULE_VALUE = 7.0
"""Initial value that a module sets."""


def initialize(initializer: Initializer) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    parameters = {name: torch.full(shape, MODULE_VALUE) for name, shape in SHAPES.items()}
    for name, parameter in parameters.items():
        initializer.initialize(name, parameter)
    return parameters


def test_default_keeps_every_value():
    assert all((parameter == MODULE_VALUE).all() for parameter in initialize(Default()).values())


@pytest.mark.parametrize("scale", [0.08, 0.5])
def test_uniform_values_fill_the_interval_in_biases_too(scale: float):
    for name, parameter in initialize(Uniform(scale)).items():
        assert parameter.abs().max() <= scale, name
        assert parameter.abs().max() > 0.9 * scale, name
        assert parameter.min() < 0 < parameter.max(), name


def test_the_default_scale_of_uniform_is_that_of_the_paper():
    weight = initialize(Uniform())["stack.cells.0.recurrent_weight"]
    assert 0.0799 < weight.abs().max() <= 0.08


def test_normal_draws_matrices_and_sets_biases_to_0():
    parameters = initialize(Normal(0.3))
    for name in BIASES:
        assert (parameters[name] == 0).all()
    assert (parameters["stack.cells.0.forget_peephole"] == MODULE_VALUE).all()
    weight = parameters["stack.cells.0.input_weight"]
    assert weight.mean().abs() < 0.01
    assert weight.std() == pytest.approx(0.3, rel=0.03)


@pytest.mark.parametrize("gain", [1.0, 0.5])
@pytest.mark.parametrize("name", RECURRENT)
def test_the_matrices_of_the_gates_are_orthogonal_and_different(name: str, gain: float):
    gates = initialize(Orthogonal(gain))[name].split(64)
    for gate in gates:
        torch.testing.assert_close(gate.T @ gate, gain**2 * torch.eye(64), atol=1e-5, rtol=0)
    assert not torch.allclose(gates[0], gates[1], atol=1e-2)


def test_orthogonal_keeps_vectors_sets_biases_to_0_and_draws_other_matrices_after_glorot():
    parameters = initialize(Orthogonal())
    for name in BIASES:
        assert (parameters[name] == 0).all()
    assert (parameters["stack.cells.0.forget_peephole"] == MODULE_VALUE).all()
    for name in ("input.embedding.weight", "stack.cells.0.input_weight", "head.weight"):
        bound = (6 / sum(SHAPES[name])) ** 0.5
        assert 0.95 * bound < parameters[name].abs().max() <= bound


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(1, 5))
def test_orthogonal_works_for_any_number_and_size_of_gates(hidden: int, gates: int):
    weight = torch.zeros(gates * hidden, hidden)
    Orthogonal().initialize("recurrent_weight", weight)
    for gate in weight.split(hidden):
        torch.testing.assert_close(gate @ gate.T, torch.eye(hidden), atol=1e-5, rtol=0)

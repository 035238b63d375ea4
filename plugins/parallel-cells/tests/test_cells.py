"""Tests of the cells that are not in the conformance suite: options, precision, initial weights."""

from pathlib import Path

import pytest
import torch
from cell_cases import cell_cases
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_parallel_cells.cells import MinGRU, MinLSTM
from seqforge_parallel_cells.linear_recurrence import linear_recurrence, parallel_scan

from seqforge.kinds import scan
from seqforge.registry.options import resolve
from seqforge.registry.registry import Registry

every_cell = pytest.mark.parametrize("cell_class", [MinGRU, MinLSTM])


def random_sequence(time=12, batch=5, features=7):
    return torch.randn(time, batch, features, generator=torch.Generator().manual_seed(1))


def train_once(cell, inputs, state):
    """Return the outputs, the last state and the gradients of the parameters, as one list."""
    cell.zero_grad()
    outputs, after = cell(inputs, state)
    outputs.square().mean().backward()
    return [outputs, *after, *(parameter.grad.clone() for parameter in cell.parameters())]


@every_cell
def test_the_parallel_scan_equals_the_scan_of_step(cell_class):
    # The computation of `forward` on a GPU, in float64 on the CPU.
    @settings(max_examples=20)
    @given(case=cell_cases(cell_class, time=st.integers(1, 300)))
    def holds(case):
        cell, inputs, state = case
        leaves = (*cell.parameters(), start := state.hidden.clone().requires_grad_())
        decays, addends = cell.coefficients(cell.project(inputs))
        outputs = linear_recurrence(parallel_scan, decays, addends, start)
        expected, _ = scan(cell.step, cell.project(inputs), type(state)(start))
        torch.testing.assert_close(outputs, expected, rtol=1e-11, atol=1e-11)
        gradients, expected_gradients = (torch.autograd.grad(x.square().sum(), leaves) for x in (outputs, expected))
        torch.testing.assert_close(gradients, expected_gradients, rtol=1e-9, atol=1e-9)

    holds()


@every_cell
def test_under_autocast_products_are_bfloat16_and_the_state_is_float32(cell_class):
    cell = cell_class(64, 32)
    inputs = random_sequence(time=200, features=64)
    expected, _ = cell(inputs, cell.initial_state(5))
    with torch.autocast("cpu", torch.bfloat16):
        start = cell.initial_state(5)
        outputs, after = cell(inputs, start)
        stepped, after_step = scan(cell.step, cell.project(inputs), start)
    assert {tensor.dtype for tensor in (outputs, stepped, *start, *after, *after_step)} == {torch.float32}
    # Only the coefficients are rounded to bfloat16. The recurrence is computed in float32.
    torch.testing.assert_close(stepped, outputs, rtol=1e-6, atol=1e-6)
    assert not torch.equal(outputs, expected)
    torch.testing.assert_close(outputs, expected, rtol=0.02, atol=0.02)


@every_cell
def test_under_autocast_gradients_are_float32(cell_class):
    cell = cell_class(64, 32)
    expected = train_once(cell, random_sequence(features=64), cell.initial_state(5))
    with torch.autocast("cpu", torch.bfloat16):
        found = train_once(cell, random_sequence(features=64), cell.initial_state(5))
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.01)


@pytest.mark.parametrize(("name", "gates"), [("min-gru", 2), ("min-lstm", 3)])
def test_a_cell_is_resolved_from_its_short_name(name, gates):
    component = resolve(Registry.installed(), "cell", {"use": name}, "model.cells.0", Path())
    assert component.table == {"use": f"parallel-cells/{name}", "hidden_size": 128}
    shapes = {name: tuple(parameter.shape) for name, parameter in component.build(input_size=5).named_parameters()}
    assert shapes == {"input_weight": (gates * 128, 5), "bias": (gates * 128,)}


def test_an_invalid_size_is_reported_with_its_key():
    (problem,) = resolve(Registry.installed(), "cell", {"use": "min-gru", "hidden_size": 0}, "model.cells.0", Path())
    assert problem.key == "model.cells.0.hidden_size"


@every_cell
def test_initial_weights_are_uniform_with_the_bound_of_torch(cell_class):
    torch.manual_seed(0)
    for parameter in cell_class(64, 100).parameters():
        assert 0.095 < parameter.abs().max() <= 0.1

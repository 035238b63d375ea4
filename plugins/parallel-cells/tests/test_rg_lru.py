"""RG-LRU against the equations of its paper, and at the ends of its decay."""

import numpy as np
import pytest
import torch
from cell_cases import cell_cases
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_parallel_cells.rg_lru import RGLRU

from seqforge.kinds import HiddenState


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("equal", [False, True])
def test_the_outputs_equal_those_of_the_paper(equal: bool):
    @settings(max_examples=20, deadline=None)
    @given(case=cell_cases(lambda inputs, hidden: RGLRU(hidden if equal else inputs, hidden)))
    def holds(case):
        cell, inputs, state = case
        weight, bias = cell.input_weight.detach().numpy(), cell.bias.detach().numpy()
        rate = np.log1p(np.exp(cell.decay.detach().numpy()))
        h, expected = state.hidden.numpy(), []
        for x in inputs.numpy():
            gates = np.split(x @ weight.T + bias, cell.gate_count, axis=1)
            candidate = x if cell.gate_count == 2 else gates[2]
            a = np.exp(-8 * rate * sigmoid(gates[0]))
            h = a * h + np.sqrt(1 - a**2) * sigmoid(gates[1]) * candidate
            expected.append(h)
        torch.testing.assert_close(cell(inputs, state)[0], torch.from_numpy(np.stack(expected)))

    holds()


def test_a_decay_of_one_has_a_finite_gradient():
    cell = RGLRU(2, 3)
    with torch.no_grad():
        cell.decay.fill_(-40)  # softplus is smaller than a float32 can tell from 0
    outputs, _ = cell(torch.ones(4, 1, 2), HiddenState(torch.ones(1, 3)))
    outputs.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in cell.parameters())
    torch.testing.assert_close(outputs[-1], torch.ones(1, 3), atol=0, rtol=0)


@given(log_rate=st.floats(-80, 0))
def test_the_bound_of_the_gradient_does_not_change_the_values(log_rate: float):
    cell = RGLRU(2, 2)
    with torch.no_grad():
        cell.decay.fill_(log_rate)
    gates = torch.tensor([[0.3, 0.3, 0.7, 0.7, 1.5, 1.5]], requires_grad=True)
    _, addend = cell.coefficients(gates)
    exponent = 8 * np.log1p(np.exp(log_rate)) * sigmoid(0.3)
    expected = np.sqrt(-np.expm1(-2 * exponent)) * sigmoid(0.7) * 1.5
    torch.testing.assert_close(addend.double(), torch.full((1, 2), expected).double(), atol=0, rtol=1e-5)
    (slope,) = torch.autograd.grad(addend.sum(), gates)
    of_square = 2 * np.exp(-2 * exponent) * exponent * (1 - sigmoid(0.3)) * sigmoid(0.7) * 1.5
    of_root = min(1000, 0.5 / np.sqrt(-np.expm1(-2 * exponent)))
    np.testing.assert_allclose(slope[0, 0].item(), of_root * of_square, rtol=1e-3, atol=1e-30)


def test_the_initial_decay_is_on_the_ring_of_the_paper():
    torch.manual_seed(0)
    cell = RGLRU(4, 2000)
    assert not cell.bias.any()
    decay = torch.exp(-torch.nn.functional.softplus(cell.decay.detach()))
    assert decay.min() >= 0.9
    assert decay.max() <= 0.9991
    assert abs(float((decay**2).mean()) - (0.9**2 + 0.999**2) / 2) < 0.01

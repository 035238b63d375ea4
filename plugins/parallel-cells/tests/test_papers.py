"""The cells against the paper: its equations step by step, and its log-space scan, in float64 with numpy."""

import numpy as np
import pytest
import torch
from cell_cases import cell_cases
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_parallel_cells.cells import MinGRU, MinLSTM, positive

from seqforge.kinds import HiddenState


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.logaddexp(0, x)


def g(x):
    return np.where(x >= 0, x + 0.5, sigmoid(x))


def log_g(x):
    return np.where(x >= 0, np.log(np.maximum(x, 0) + 0.5), -softplus(-x))


def gates(cell, inputs):
    """Return W x + b of every gate, `[time, batch, hidden]` each."""
    weights, biases = (np.split(p.detach().numpy(), len(p) // cell.hidden_size) for p in (cell.input_weight, cell.bias))
    return [inputs.numpy() @ weight.T + bias for weight, bias in zip(weights, biases, strict=True)]


def min_gru(cell, inputs, h):
    """Return the outputs of the sequential mode, appendix B.2.1."""
    outputs = []
    for k, candidate in zip(*gates(cell, inputs), strict=True):
        z = sigmoid(k)
        h = (1 - z) * h + z * g(candidate)
        outputs.append(h)
    return np.stack(outputs)


def min_lstm(cell, inputs, h):
    """Return the outputs of the sequential mode, appendix B.2.2, with gates normalized to a sum of 1."""
    outputs = []
    for input_gate, forget_gate, candidate in zip(*gates(cell, inputs), strict=True):
        i, f = sigmoid(input_gate), sigmoid(forget_gate)
        h = f / (f + i) * h + i / (f + i) * g(candidate)
        outputs.append(h)
    return np.stack(outputs)


def log_coefficients_of_min_gru(cell, inputs):
    k, candidate = gates(cell, inputs)
    return -softplus(k), -softplus(-k) + log_g(candidate)


def log_coefficients_of_min_lstm(cell, inputs):
    input_gate, forget_gate, candidate = gates(cell, inputs)
    difference = softplus(-forget_gate) - softplus(-input_gate)
    return -softplus(difference), -softplus(-difference) + log_g(candidate)


def log_space_scan(log_decays, log_addends, start):
    """Return the states of the linear recurrence, computed in log space (Heinsen 2023, arXiv 2311.06281)."""
    sums = np.concatenate([np.zeros_like(log_decays[:1]), np.cumsum(log_decays, axis=0)])
    values = np.concatenate([np.log(start)[None], log_addends])
    return np.exp(sums + np.logaddexp.accumulate(values - sums, axis=0))[1:]


CELLS = {
    "min-gru": (MinGRU, min_gru, log_coefficients_of_min_gru),
    "min-lstm": (MinLSTM, min_lstm, log_coefficients_of_min_lstm),
}
every_cell = pytest.mark.parametrize(("cell_class", "equations", "log_coefficients"), CELLS.values(), ids=CELLS.keys())
times = st.integers(1, 60)


@every_cell
def test_the_outputs_equal_those_of_the_paper(cell_class, equations, log_coefficients):
    @settings(max_examples=30)
    @given(case=cell_cases(cell_class, time=times))
    def holds(case):
        cell, inputs, state = case
        outputs, after = cell(inputs, state)
        torch.testing.assert_close(outputs, torch.from_numpy(equations(cell, inputs, state.hidden.numpy())))
        torch.testing.assert_close(after.hidden, outputs[-1])
        logs = log_space_scan(*log_coefficients(cell, inputs), state.hidden.numpy())
        torch.testing.assert_close(outputs, torch.from_numpy(logs))

    holds()


@every_cell
def test_the_initial_state_is_zero(cell_class, equations, log_coefficients):
    cell = cell_class(3, 4).double()
    start = cell.initial_state(2)
    assert torch.equal(start.hidden, torch.zeros(2, 4, dtype=torch.float64))
    inputs = torch.randn(5, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(cell(inputs, start)[0], torch.from_numpy(equations(cell, inputs, np.zeros((2, 4)))))


@given(x=st.floats(-50, 50))
def test_g_equals_that_of_the_paper(x):
    assert positive(torch.tensor(x, dtype=torch.float64)).item() == pytest.approx(float(g(np.float64(x))), rel=1e-14)


def test_g_is_positive_and_continuous():
    values = positive(torch.tensor([-80.0, -1e-6, 0.0, 1e-6, 3.0]))
    assert (values > 0).all()
    torch.testing.assert_close(values[1:4], torch.full((3,), 0.5))
    assert values[4] == 3.5


def cell_with_constant_gates(cell_class, *pre_activations, dtype=torch.float32):
    """Return a cell of one unit whose gates do not depend on its input."""
    cell = cell_class(1, 1).to(dtype)
    with torch.no_grad():
        cell.input_weight.zero_()
        cell.bias.copy_(torch.tensor(pre_activations))
    return cell


@pytest.mark.parametrize(
    ("input_gate", "forget_gate", "kept"),
    [(-300.0, -300.0, 0.5), (-301.0, -300.0, 0.7310586), (-300.0, 0.0, 1.0), (0.0, -300.0, 0.0), (300.0, 300.0, 0.5)],
)
def test_the_normalized_gates_of_min_lstm_are_accurate_if_both_underflow(input_gate, forget_gate, kept):
    # In the first two cases, f/(f + i) computed directly would be 0/0.
    cell = cell_with_constant_gates(MinLSTM, input_gate, forget_gate, 1.5)
    outputs, _ = cell(torch.zeros(1, 1, 1), HiddenState(torch.ones(1, 1)))
    assert outputs.item() == pytest.approx(kept + (1 - kept) * 2.0, rel=1e-6)
    outputs.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in cell.parameters())


@pytest.mark.parametrize(("update", "output"), [(-1000.0, 0.25), (1000.0, 2.0)])
def test_the_gate_of_min_gru_closes_and_opens_completely(update, output):
    cell = cell_with_constant_gates(MinGRU, update, 1.5)
    outputs, _ = cell(torch.zeros(400, 1, 1), HiddenState(torch.full((1, 1), 0.25)))
    assert torch.equal(outputs, torch.full((400, 1, 1), output))

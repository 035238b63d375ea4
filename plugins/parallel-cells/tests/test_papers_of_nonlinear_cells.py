"""IndRNN, QRNN and SRU against the equations of their papers, in float64 with numpy."""

import numpy as np
import pytest
import torch
from cell_cases import cell_cases
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_parallel_cells.ind_rnn import IndRNN
from seqforge_parallel_cells.qrnn import QRNN
from seqforge_parallel_cells.sru import SRU

PHI = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numbers(cell):
    return {name: parameter.detach().numpy() for name, parameter in cell.named_parameters()}


@pytest.mark.parametrize("nonlinearity", list(PHI))
def test_ind_rnn_equals_its_paper(nonlinearity):
    @settings(max_examples=20)
    @given(case=cell_cases(lambda *sizes: IndRNN(*sizes, nonlinearity=nonlinearity)))
    def holds(case):
        cell, inputs, state = case
        p, h = numbers(cell), state.hidden.numpy()
        for x, output in zip(inputs.numpy(), cell(inputs, state)[0].detach().numpy(), strict=True):
            h = PHI[nonlinearity](x @ p["input_weight"].T + p["recurrent_weight"] * h + p["bias"])
            np.testing.assert_allclose(output, h, rtol=1e-12, atol=1e-14)

    holds()


def test_a_recurrent_weight_at_its_limit_has_a_gradient_and_one_beyond_it_is_clipped():
    cell = IndRNN(1, 3, largest_weight=0.5)
    with torch.no_grad():
        cell.recurrent_weight.copy_(torch.tensor([-2.0, 0.25, 0.75]))
        cell.constrain_parameters()
    assert cell.recurrent_weight.tolist() == [-0.5, 0.25, 0.5]
    torch.nn.init.ones_(cell.input_weight)
    cell(torch.ones(3, 1, 1), cell.initial_state(1))[0].sum().backward()
    assert cell.recurrent_weight.grad is not None
    assert cell.recurrent_weight.grad.all()


@pytest.mark.parametrize("equal_sizes", [True, False])
@settings(max_examples=20)
@given(data=st.data())
def test_sru_equals_its_paper(equal_sizes, data):
    def make_cell(inputs, hidden):
        return SRU(hidden if equal_sizes else hidden + inputs, hidden, highway_bias=-1.5)

    cell, inputs, state = data.draw(cell_cases(make_cell))
    p, c, size = numbers(cell), state.cell.numpy(), cell.hidden_size
    weights = np.split(p["input_weight"], len(p["input_weight"]) // size)
    (v_f, v_r), (b_f, b_r) = np.split(p["peephole"], 2), np.split(p["gate_bias"], 2)
    for x, output in zip(inputs.numpy(), cell(inputs, state)[0].detach().numpy(), strict=True):
        f = sigmoid(x @ weights[0].T + v_f * c + b_f)
        r = sigmoid(x @ weights[1].T + v_r * c + b_r)
        c = f * c + (1 - f) * (x @ weights[2].T)
        highway = x if equal_sizes else x @ weights[3].T
        expected = r * c + (1 - r) * np.sqrt(1 + 2 * np.exp(-1.5)) * highway
        np.testing.assert_allclose(output, expected, rtol=1e-9, atol=1e-12)


def test_the_reset_gate_of_sru_has_its_initial_bias():
    cell = SRU(3, 4, highway_bias=-2.0)
    torch.nn.init.zeros_(cell.gate_bias)
    cell.set_initial_biases()
    assert cell.gate_bias.tolist() == [0.0] * 4 + [-2.0] * 4


@pytest.mark.parametrize("highway_bias", [0.0, -2.0])
@pytest.mark.parametrize("input_size", [128, 256])
def test_the_initial_weights_of_sru_keep_the_variance_of_the_input(input_size, highway_bias):
    torch.manual_seed(0)
    cell = SRU(input_size, 256, highway_bias=highway_bias)
    assert cell.gate_bias.tolist() == [0.0] * 256 + [highway_bias] * 256
    with torch.no_grad():
        outputs, _ = cell(torch.randn(200, 16, input_size), cell.initial_state(16))
    assert 0.9 < outputs.var().item() < 1.1
    variances = [weight.var().item() * input_size for weight in cell.input_weight.detach().split(256)]
    np.testing.assert_allclose(variances, [0.5, 0.5, 1.0, 1.0][: len(variances)], rtol=0.05)
    assert 0.4 < cell.peephole.var().item() < 0.6


@settings(max_examples=20)
@given(case=cell_cases(QRNN))
def test_qrnn_equals_its_paper(case):
    cell, inputs, _ = case
    p, size = numbers(cell), cell.hidden_size
    now, before = np.split(p["input_weight"], 2)
    windows = np.concatenate([np.zeros_like(inputs[:1]), inputs])
    c = np.zeros((inputs.shape[1], size))
    for output, earlier, x in zip(
        cell(inputs, cell.initial_state(inputs.shape[1]))[0].detach().numpy(), windows, windows[1:], strict=False
    ):
        z, f, o = np.split(x @ now.T + earlier @ before.T + p["gate_bias"], 3, axis=1)
        c = sigmoid(f) * c + (1 - sigmoid(f)) * np.tanh(z)
        np.testing.assert_allclose(output, sigmoid(o) * c, rtol=1e-9, atol=1e-12)

"""The variants that torch lacks, against scalar equations from the papers, and against identities."""

import math

import pytest
import torch
from cell_cases import cell_cases
from hypothesis import given, settings
from seqforge_essentials.cells.gru import GRU, ResetBeforeGRU
from seqforge_essentials.cells.lstm import LSTM, LSTMState
from seqforge_essentials.cells.rnn import RNN

from seqforge.kinds import HiddenState


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def row_product(matrix, row, vector):
    return sum(matrix[row][k] * vector[k] for k in range(len(vector)))


def parameter_lists(cell):
    return {name: parameter.tolist() for name, parameter in cell.named_parameters()}


def gru_before(cell, x, h):
    """Return the state after one step: Cho et al. 2014, version 3, equations 5 to 8, with biases."""
    p, n = parameter_lists(cell), cell.hidden_size
    w, u, b = p["input_weight"], p["recurrent_weight"], p["bias"]
    r = [sigmoid(row_product(w, j, x) + row_product(u, j, h) + b[j]) for j in range(n)]
    z = [sigmoid(row_product(w, n + j, x) + row_product(u, n + j, h) + b[n + j]) for j in range(n)]
    reset = [r[j] * h[j] for j in range(n)]
    candidate = [
        math.tanh(row_product(w, 2 * n + j, x) + row_product(u, 2 * n + j, reset) + b[2 * n + j]) for j in range(n)
    ]
    return [z[j] * h[j] + (1 - z[j]) * candidate[j] for j in range(n)]


def lstm(cell, x, h, c):
    """Return the state after one step: Greff et al. 2017, section 2, and the appendix for coupled gates."""
    p, n, coupled = parameter_lists(cell), cell.hidden_size, cell.coupled_gates
    names = "fgo" if coupled else "ifgo"
    peepholes = {name[0]: p.get(f"{name}_peephole", [0.0] * n) for name in ("input", "forget", "output")}
    new_h, new_c = [], []
    for j in range(n):
        rows = {gate: k * n + j for k, gate in enumerate(names)}
        total = {
            gate: row_product(p["input_weight"], row, x) + row_product(p["recurrent_weight"], row, h) + p["bias"][row]
            for gate, row in rows.items()
        }
        f = sigmoid(total["f"] + peepholes["f"][j] * c[j])
        i = 1 - f if coupled else sigmoid(total["i"] + peepholes["i"][j] * c[j])
        new_c.append(f * c[j] + i * math.tanh(total["g"]))
        new_h.append(sigmoid(total["o"] + peepholes["o"][j] * new_c[j]) * math.tanh(new_c[j]))
    return new_h, new_c


@settings(deadline=None, max_examples=20)
@given(case=cell_cases(ResetBeforeGRU))
def test_gru_with_the_reset_gate_before_the_product_equals_the_paper(case):
    cell, inputs, state = case
    output, _ = cell.step(cell.project(inputs)[0], state)
    expected = [gru_before(cell, x, h) for x, h in zip(inputs[0].tolist(), state.hidden.tolist(), strict=True)]
    torch.testing.assert_close(output, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("peepholes", [False, True])
@pytest.mark.parametrize("coupled_gates", [False, True])
def test_every_lstm_variant_equals_the_paper(peepholes, coupled_gates):
    @settings(deadline=None, max_examples=20)
    @given(case=cell_cases(lambda i, h: LSTM(i, h, peepholes=peepholes, coupled_gates=coupled_gates)))
    def equals_the_paper(case):
        cell, inputs, state = case
        output, after = cell.step(cell.project(inputs)[0], state)
        rows = zip(inputs[0].tolist(), state.hidden.tolist(), state.cell.tolist(), strict=True)
        expected = [lstm(cell, x, h, c) for x, h, c in rows]
        torch.testing.assert_close(output, torch.tensor([h for h, _ in expected], dtype=torch.float64))
        torch.testing.assert_close(after.cell, torch.tensor([c for _, c in expected], dtype=torch.float64))

    equals_the_paper()


@settings(deadline=None, max_examples=20)
@given(case=cell_cases(lambda *_: LSTM(3, 4)))
def test_coupled_gates_equal_an_input_gate_with_the_negated_weights_of_the_forget_gate(case):
    plain, inputs, _ = case
    coupled = LSTM(3, 4, coupled_gates=True).double()
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            f, g, o = coupled.get_parameter(name).chunk(3)
            parameter.copy_(torch.cat([-f, f, g, o]))  # since 1 - σ(x) = σ(-x)
    start = plain.initial_state(inputs.shape[1])
    torch.testing.assert_close(coupled(inputs, start)[0], plain(inputs, start)[0])


@settings(deadline=None, max_examples=20)
@given(case=cell_cases(lambda *_: GRU(3, 4)))
def test_both_placements_of_the_reset_gate_are_equal_if_the_recurrent_weight_of_the_candidate_is_diagonal(case):
    after, inputs, _ = case
    before = ResetBeforeGRU(3, 4).double()
    with torch.no_grad():
        after.recurrent_bias.zero_()
        after.recurrent_weight[8:].copy_(torch.diag(torch.randn(4)))
    before.load_state_dict({name: value for name, value in after.state_dict().items() if name != "recurrent_bias"})
    start = HiddenState(torch.ones(inputs.shape[1], 4, dtype=torch.float64))
    torch.testing.assert_close(after(inputs, start)[0], before(inputs, start)[0])


def test_set_initial_biases_restores_the_forget_bias_after_an_initializer():
    cell = LSTM(3, 2, forget_bias=2.5)
    assert cell.bias[2:4].tolist() == [2.5, 2.5]
    with torch.no_grad():
        cell.bias.fill_(7.0)
    cell.set_initial_biases()
    assert cell.bias.tolist() == [7.0, 7.0, 2.5, 2.5, 7.0, 7.0, 7.0, 7.0]


def test_the_forget_bias_is_set_with_coupled_gates_too():
    cell = LSTM(3, 2, forget_bias=-1.0, coupled_gates=True)
    assert cell.bias[:2].tolist() == [-1.0, -1.0]
    assert (cell.bias[2:] != -1.0).all()


def test_an_open_forget_gate_preserves_the_cell_content():
    cell = LSTM(1, 1)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.bias.copy_(torch.tensor([-100.0, 100.0, 0.0, 100.0]))
    outputs, after = cell(torch.randn(50, 1, 1), LSTMState(torch.zeros(1, 1), torch.full((1, 1), 0.5)))
    assert after.cell.item() == 0.5
    torch.testing.assert_close(outputs, torch.full((50, 1, 1), math.tanh(0.5)))


@pytest.mark.parametrize("cell_class", [RNN, GRU, ResetBeforeGRU, LSTM])
def test_initial_weights_are_uniform_with_the_bound_of_torch(cell_class):
    torch.manual_seed(0)
    cell = cell_class(64, 100)
    for name, parameter in cell.named_parameters():
        values = parameter[parameter != 1.0]  # Without the forget bias.
        assert values.abs().max() <= 0.1
        assert values.abs().max() > 0.095, name
        assert values.mean().abs() < 0.01 + 0.1 * (values.numel() < 1000), name

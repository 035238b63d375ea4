"""MGU, sLSTM and the LSTM with layer normalization against loops in numpy that follow the equations of their papers."""

from typing import Any

import numpy as np
import torch
from cell_cases import cell_cases
from hypothesis import given, settings
from seqforge_essentials.cells.gru import MGU
from seqforge_essentials.cells.lstm import LayerNormLSTM
from seqforge_essentials.cells.slstm import SLSTM

Array = np.ndarray[Any, np.dtype[np.float64]]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def weights_of(cell: torch.nn.Module) -> dict[str, Array]:
    return {name: parameter.detach().numpy() for name, parameter in cell.named_parameters()}


@settings(deadline=None, max_examples=20)
@given(case=cell_cases(SLSTM))
def test_slstm_equals_the_paper_without_its_stabilizer(case):
    cell, inputs, _ = case
    w = weights_of(cell)
    rows = inputs.shape[1]
    h, c, n = (np.zeros((rows, cell.hidden_size)) for _ in range(3))
    expected: list[Array] = []
    for x in inputs.numpy():
        z, i, f, o = np.split(x @ w["input_weight"].T + h @ w["recurrent_weight"].T + w["bias"], 4, axis=1)
        c = sigmoid(f) * c + np.exp(i) * np.tanh(z)
        n = sigmoid(f) * n + np.exp(i)
        h = sigmoid(o) * c / n
        expected.append(h)
    outputs, _ = cell(inputs, cell.initial_state(rows))
    torch.testing.assert_close(outputs, torch.from_numpy(np.stack(expected)))


def test_slstm_does_not_divide_by_zero_or_overflow():
    for gate in (-300.0, 300.0):
        cell = SLSTM(1, 2)
        with torch.no_grad():
            cell.bias.chunk(4)[1].fill_(gate)
        outputs, state = cell(torch.ones(3, 1, 1), cell.initial_state(1))
        outputs.sum().backward()
        assert all(part.isfinite().all() for part in (outputs, *state))
        assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in cell.parameters())


def test_forget_gates_of_slstm_start_by_a_power_law_in_each_head():
    cell = SLSTM(2, 6, heads=2)
    other, forget = cell.bias.view(4, 2, 3)[[0, 1, 3]], cell.bias.view(4, 2, 3)[2]
    expected = torch.tensor([5, 5 - 12 * 0.5**0.3, -7])
    torch.testing.assert_close(forget, torch.stack([expected, expected]))
    assert not other.any()


def test_heads_of_slstm_are_not_connected():
    torch.manual_seed(0)
    cell = SLSTM(2, 6, heads=3)
    with torch.no_grad():
        cell.recurrent_weight.normal_()
    matrix = cell.recurrent_matrix().view(4, 3, 2, 3, 2)
    connected = matrix.abs().sum(dim=(0, 2, 4)) > 0
    assert torch.equal(connected, torch.eye(3, dtype=torch.bool))


@settings(deadline=None, max_examples=20)
@given(case=cell_cases(LayerNormLSTM))
def test_the_lstm_with_layer_norm_equals_the_paper(case):
    cell, inputs, state = case
    w = weights_of(cell)

    def normalized(x: Array) -> Array:
        return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)

    h, c = (part.numpy() for part in state)
    expected: list[Array] = []
    for x in inputs.numpy():
        from_input = normalized(x @ w["input_weight"].T + w["bias"]) * w["input_gain"]
        total = from_input + normalized(h @ w["recurrent_weight"].T) * w["recurrent_gain"] + w["gate_bias"]
        i, f, g, o = np.split(total, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(normalized(c) * w["cell_gain"] + w["cell_bias"])
        expected.append(h)
    outputs, _ = cell(inputs, state)
    torch.testing.assert_close(outputs, torch.from_numpy(np.stack(expected)))


@settings(deadline=None, max_examples=20)
@given(case=cell_cases(MGU))
def test_the_mgu_equals_the_paper(case):
    cell, inputs, state = case
    w, h, size = weights_of(cell), state.hidden.numpy(), cell.hidden_size
    expected: list[Array] = []
    for x in inputs.numpy():
        from_input = x @ w["input_weight"].T + w["bias"]
        f = sigmoid(from_input[:, :size] + h @ w["recurrent_weight"][:size].T)
        candidate = np.tanh(from_input[:, size:] + (f * h) @ w["recurrent_weight"][size:].T)
        h = h - f * h + f * candidate
        expected.append(h)
    torch.testing.assert_close(cell(inputs, state)[0], torch.from_numpy(np.stack(expected)))

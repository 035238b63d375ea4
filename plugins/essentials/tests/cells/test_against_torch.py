"""The cells without variants against those of torch.nn, whose two biases are summed in seqforge."""

import pytest
import torch
from seqforge_essentials.cells.gru import GRU
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.cells.rnn import RNN

from seqforge.kinds import map_state

INPUT, HIDDEN = 3, 5


def assert_equal_to_torch(cell, layer):
    """Compare outputs, last state, and the gradients of inputs, state and weights."""
    with torch.no_grad():
        layer.weight_ih_l0.copy_(cell.input_weight)
        layer.weight_hh_l0.copy_(cell.recurrent_weight)
        layer.bias_ih_l0.copy_(cell.bias)
        layer.bias_hh_l0.zero_()
        if isinstance(cell, GRU):
            layer.bias_hh_l0[2 * HIDDEN :] = cell.recurrent_bias
    inputs = torch.randn(7, 4, INPUT, dtype=torch.float64, requires_grad=True)
    state = map_state(lambda zeros: torch.randn_like(zeros).requires_grad_(), cell.initial_state(4))

    outputs, after = cell(inputs, state)
    layer_state = tuple(tensor.unsqueeze(0) for tensor in state)
    expected, expected_after = layer(inputs, layer_state if len(state) == 2 else layer_state[0])
    expected_after = expected_after if isinstance(expected_after, tuple) else (expected_after,)
    torch.testing.assert_close((outputs, *after), (expected, *(tensor.squeeze(0) for tensor in expected_after)))

    cell_leaves = [inputs, *state, cell.input_weight, cell.recurrent_weight, cell.bias]
    layer_leaves = [inputs, *state, layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0]
    gradients = torch.autograd.grad((outputs * outputs).sum() + after[-1].sum(), cell_leaves)
    expected = torch.autograd.grad((expected * expected).sum() + expected_after[-1].sum(), layer_leaves)
    torch.testing.assert_close(gradients, expected)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_rnn(nonlinearity):
    layer = torch.nn.RNN(INPUT, HIDDEN, nonlinearity=nonlinearity)
    assert_equal_to_torch(RNN(INPUT, HIDDEN, nonlinearity).double(), layer.double())


def test_gru():
    assert_equal_to_torch(GRU(INPUT, HIDDEN).double(), torch.nn.GRU(INPUT, HIDDEN).double())


def test_lstm():
    assert_equal_to_torch(LSTM(INPUT, HIDDEN).double(), torch.nn.LSTM(INPUT, HIDDEN).double())

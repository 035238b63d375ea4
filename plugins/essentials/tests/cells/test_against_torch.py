"""The plain cells equal torch.nn's, whose two biases are ours as a sum."""

import pytest
import torch
from seqforge_essentials.cells.gru import GRU
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.cells.rnn import RNN

from seqforge.interfaces import map_state

INPUT, HIDDEN = 3, 5


def assert_same(cell, theirs):
    """Compare outputs, last state, and the gradients of inputs, state and weights."""
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(cell.input_weight)
        theirs.weight_hh_l0.copy_(cell.recurrent_weight)
        theirs.bias_ih_l0.copy_(cell.bias)
        theirs.bias_hh_l0.zero_()
        if isinstance(cell, GRU):
            theirs.bias_hh_l0[2 * HIDDEN :] = cell.recurrent_bias
    inputs = torch.randn(7, 4, INPUT, dtype=torch.float64, requires_grad=True)
    state = map_state(lambda zeros: torch.randn_like(zeros).requires_grad_(), cell.initial_state(4))

    outputs, after = cell(inputs, state)
    given_state = tuple(tensor.unsqueeze(0) for tensor in state)
    expected, expected_after = theirs(inputs, given_state if len(state) == 2 else given_state[0])
    expected_after = expected_after if isinstance(expected_after, tuple) else (expected_after,)
    torch.testing.assert_close((outputs, *after), (expected, *(tensor.squeeze(0) for tensor in expected_after)))

    ours = [inputs, *state, cell.input_weight, cell.recurrent_weight, cell.bias]
    other = [inputs, *state, theirs.weight_ih_l0, theirs.weight_hh_l0, theirs.bias_ih_l0]
    gradients = torch.autograd.grad((outputs * outputs).sum() + after[-1].sum(), ours)
    expected = torch.autograd.grad((expected * expected).sum() + expected_after[-1].sum(), other)
    torch.testing.assert_close(gradients, expected)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_rnn(nonlinearity):
    theirs = torch.nn.RNN(INPUT, HIDDEN, nonlinearity=nonlinearity)
    assert_same(RNN(INPUT, HIDDEN, nonlinearity).double(), theirs.double())


def test_gru():
    assert_same(GRU(INPUT, HIDDEN).double(), torch.nn.GRU(INPUT, HIDDEN).double())


def test_lstm():
    assert_same(LSTM(INPUT, HIDDEN).double(), torch.nn.LSTM(INPUT, HIDDEN).double())

"""The plain cells equal torch.nn's, whose two biases are ours as a sum."""

import pytest
import torch
from seqforge_essentials.cells.gru import GRU, GRUState
from seqforge_essentials.cells.lstm import LSTM, LSTMState
from seqforge_essentials.cells.rnn import RNN, RNNState

INPUT, HIDDEN = 3, 5


def assert_same(cell, theirs, inputs, state):
    """Compare outputs, last state, and the gradients of inputs, state and weights."""
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(cell.input_weight)
        theirs.weight_hh_l0.copy_(cell.recurrent_weight)
        theirs.bias_ih_l0.copy_(cell.bias)
        theirs.bias_hh_l0.zero_()
        if isinstance(cell, GRU):
            theirs.bias_hh_l0[2 * HIDDEN :] = cell.recurrent_bias
    inputs = inputs.requires_grad_()
    state = type(state)(*(tensor.requires_grad_() for tensor in state))

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


def state(kind, count):
    torch.manual_seed(3)
    return kind(*torch.randn(count, 4, HIDDEN, dtype=torch.float64).unbind(0))


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_rnn(nonlinearity):
    theirs = torch.nn.RNN(INPUT, HIDDEN, nonlinearity=nonlinearity).double()
    cell = RNN(INPUT, HIDDEN, nonlinearity).double()
    assert_same(cell, theirs, torch.randn(7, 4, INPUT, dtype=torch.float64), state(RNNState, 1))


def test_gru():
    theirs = torch.nn.GRU(INPUT, HIDDEN).double()
    assert_same(GRU(INPUT, HIDDEN).double(), theirs, torch.randn(7, 4, INPUT, dtype=torch.float64), state(GRUState, 1))


def test_lstm():
    theirs = torch.nn.LSTM(INPUT, HIDDEN).double()
    assert_same(
        LSTM(INPUT, HIDDEN).double(), theirs, torch.randn(7, 4, INPUT, dtype=torch.float64), state(LSTMState, 2)
    )

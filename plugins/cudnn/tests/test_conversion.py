"""The cells of the two plugins are the same functions, and their weights convert either way."""

from functools import partial

import pytest
import seqforge_cudnn.gru
import seqforge_cudnn.lstm
import seqforge_cudnn.rnn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_cudnn.conversion import from_essentials, to_essentials
from seqforge_essentials.cells.gru import GRU
from seqforge_essentials.cells.lstm import LSTM
from seqforge_essentials.cells.rnn import RNN

from seqforge.errors import RunError
from seqforge.testing import cell_cases

PAIRS = {
    "rnn-tanh": (RNN, seqforge_cudnn.rnn.RNN),
    "rnn-relu": (partial(RNN, nonlinearity="relu"), partial(seqforge_cudnn.rnn.RNN, nonlinearity="relu")),
    "gru": (GRU, seqforge_cudnn.gru.GRU),
    "lstm": (LSTM, seqforge_cudnn.lstm.LSTM),
}
pairs = pytest.mark.parametrize(("plain", "fused"), PAIRS.values(), ids=PAIRS.keys())


def read(cell, inputs, state):
    """Read a sequence; give the outputs with the last state, and the gradients by name."""
    inputs = inputs.clone().requires_grad_()
    state = type(cell.initial_state(1))(*(tensor.clone().requires_grad_() for tensor in state))
    outputs, after = cell(inputs, state)
    loss = (outputs * outputs).sum() + sum(tensor.sin().sum() for tensor in after)
    leaves = {"inputs": inputs, **state._asdict(), **dict(cell.named_parameters())}
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    return (outputs, *after), dict(zip(leaves, gradients, strict=True))


def assert_same_readings(plain, fused, inputs, state):
    outputs, gradients = read(plain, inputs, state)
    fused_outputs, fused_gradients = read(fused, inputs, state)
    torch.testing.assert_close(outputs, fused_outputs)

    expected = {name: fused_gradients.pop(name) for name in ("inputs", *state._asdict())}
    expected["input_weight"] = fused_gradients["layer.weight_ih_l0"]
    expected["recurrent_weight"] = fused_gradients["layer.weight_hh_l0"]
    expected["bias"] = fused_gradients["layer.bias_ih_l0"]
    if "recurrent_bias" in gradients:
        expected["recurrent_bias"] = fused_gradients["layer.bias_hh_l0"].chunk(3)[2]
    torch.testing.assert_close(gradients, expected)


@pairs
def test_weights_from_essentials_give_the_same_outputs_and_gradients(plain, fused):
    @settings(deadline=None, max_examples=10)
    @given(case=cell_cases(plain))
    def same(case):
        cell, inputs, state = case
        other = fused(cell.input_size, cell.hidden_size).double()
        other.load_state_dict(from_essentials(cell.state_dict()))
        assert_same_readings(cell, other, inputs, state)

    same()


@pairs
def test_weights_to_essentials_give_the_same_outputs_and_gradients(plain, fused):
    @settings(deadline=None, max_examples=10)
    @given(case=cell_cases(fused))
    def same(case):
        cell, inputs, state = case
        other = plain(cell.input_size, cell.hidden_size).double()
        other.load_state_dict(to_essentials(cell.state_dict()))
        assert_same_readings(other, cell, inputs, state)

    same()


@pairs
def test_there_and_back_changes_no_bit(plain, fused):
    @settings(deadline=None, max_examples=10)
    @given(case=cell_cases(plain, features=st.integers(1, 20)))
    def same(case):
        weights = case.cell.state_dict()
        back = to_essentials(from_essentials(weights))
        assert back.keys() == weights.keys()
        assert all(torch.equal(back[name], weights[name]) for name in weights)

    same()


@pytest.mark.parametrize(
    "cell",
    [LSTM(3, 4, peepholes=True), LSTM(3, 4, coupled_gates=True), GRU(3, 4, reset_gate="before")],
    ids=["peepholes", "coupled", "reset-before"],
)
def test_a_variant_without_a_kernel_is_refused(cell):
    with pytest.raises(RunError, match="cannot be converted"):
        from_essentials(cell.state_dict())


def test_other_weights_are_refused():
    with pytest.raises(RunError, match="weights bias, weight cannot"):
        to_essentials(torch.nn.Linear(3, 4).state_dict())
    with pytest.raises(RunError, match="weights bias, weight cannot"):
        from_essentials(torch.nn.Linear(3, 4).state_dict())

"""Parameters go from the plugin `essentials` to this one and back."""

import pytest
import torch
from seqforge_essentials.cells import gru, lstm, rnn
from seqforge_native.gru import GRU
from seqforge_native.lstm import LSTM
from seqforge_native.rnn import RNN


@pytest.mark.parametrize(("plain", "native"), [(lstm.LSTM, LSTM), (gru.GRU, GRU), (rnn.RNN, RNN)])
def test_a_checkpoint_of_either_loads_in_the_other(plain: type, native: type) -> None:
    torch.manual_seed(0)
    one, other = plain(6, 19), native(6, 19)
    other.load_state_dict(one.state_dict())
    inputs = torch.randint(6, (9, 4))
    expected, _ = one(inputs, one.initial_state(4))
    found, after = other(inputs, other.initial_state(4))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert after._fields == one.initial_state(4)._fields
    one.load_state_dict(other.state_dict())

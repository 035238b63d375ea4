"""A correct cell, from which wrong ones derive."""

from typing import NamedTuple

import torch
from torch import nn

from seqforge.kinds import Cell


class Memory(NamedTuple):
    hidden: torch.Tensor
    steps: torch.Tensor


class Sound(Cell[Memory]):
    """A vanilla RNN that also counts its steps, so that its state contains integers."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.input_weight = nn.Parameter(torch.randn(hidden_size, input_size) * 0.5)
        self.recurrent_weight = nn.Parameter(torch.randn(hidden_size, hidden_size) * 0.5)

    def initial_state(self, batch_size):
        hidden = self.recurrent_weight.new_zeros(batch_size, self.hidden_size)
        return Memory(hidden, torch.zeros(batch_size, dtype=torch.int64, device=hidden.device))

    def project(self, inputs):
        return inputs @ self.input_weight.t()

    def step(self, projected, state):
        hidden = torch.tanh(projected + state.hidden @ self.recurrent_weight.t())
        return hidden, Memory(hidden, state.steps + 1)

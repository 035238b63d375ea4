"""The Clockwork RNN, whose groups of hidden units are updated at different rates."""

from typing import Annotated, NamedTuple

import torch
from pydantic import Field, PositiveInt
from seqforge.kinds import FactoredCell
from torch import Tensor


class ClockworkState(NamedTuple):
    """State of a Clockwork RNN.

    Attributes:
        hidden: Hidden units, `[batch, hidden]`.
        wait: Number of steps until the next update of each unit, `[batch, hidden]`.
    """

    hidden: Tensor
    wait: Tensor


class ClockworkRNN(FactoredCell[ClockworkState]):
    """A Clockwork RNN (Koutník et al. 2014, arXiv 1402.3511).

    The hidden units form equal groups. Group k is updated in every 2^k-th step: h' = tanh(W x + U h + b). In all other
    steps its units keep their values. A group reads itself and the slower groups only.

    Raises:
        ValueError: If the number of hidden units is not a multiple of the number of groups.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Number of hidden units.")] = 128,
        groups: Annotated[int, Field(ge=1, le=16, description="Number of groups; the slowest waits 2^(groups-1).")] = 4,
    ) -> None:
        if hidden_size % groups:
            raise ValueError(f"hidden_size = {hidden_size} is not a multiple of groups = {groups}")
        super().__init__(input_size, hidden_size, gates_size=hidden_size)
        periods = 2.0 ** torch.arange(groups).repeat_interleave(hidden_size // groups)
        self.register_buffer("period", periods)
        self.register_buffer("mask", (periods[None, :] >= periods[:, None]).float())

    def initial_state(self, batch_size: int) -> ClockworkState:
        """Return zeros: all units are updated in the first step."""
        zeros = self.bias.new_zeros(batch_size, self.hidden_size)
        return ClockworkState(zeros, zeros)

    def recurrent_matrix(self) -> Tensor:
        """Return U without the connections from a group to slower groups."""
        return self.recurrent_weight * self.get_buffer("mask")

    def pointwise(
        self, input_gates: Tensor, recurrent_gates: Tensor, state: ClockworkState
    ) -> tuple[Tensor, ClockworkState]:
        """Update the units whose time has come."""
        due = state.wait < 0.5
        hidden = torch.where(due, torch.tanh(input_gates + recurrent_gates), state.hidden)
        wait = torch.where(due, self.get_buffer("period") - 1, state.wait - 1)
        return hidden, ClockworkState(hidden, wait)

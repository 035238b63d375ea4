"""IndRNN, whose hidden units are connected to themselves only."""

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import nn

from seqforge.kinds import ElementwiseCell, Gates, Hidden, HiddenState


class IndRNN(ElementwiseCell[HiddenState]):
    """Independently recurrent neural network (Li et al. 2018, arXiv 1803.04831): h' = φ(W x + u ⊙ h + b).

    In the paper, φ is ReLU. With a `largest_weight` of γ^(1/T), a state grows by at most a factor of γ over T steps.

    Attributes:
        input_weight: W, `[hidden, input]`.
        bias: b, `[hidden]`.
        recurrent_weight: u, `[hidden]`, drawn from U(0, largest_weight), and clipped after each optimizer step.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
        nonlinearity: Annotated[Literal["relu", "tanh"], Field(description="Nonlinearity of the state.")] = "relu",
        largest_weight: Annotated[
            float, Field(gt=0, le=100, description="Limit of the absolute recurrent weights.")
        ] = 1.0,
    ) -> None:
        super().__init__(input_size, hidden_size, hidden_size)
        self.nonlinearity = nonlinearity
        self.largest_weight = largest_weight
        self.recurrent_weight = nn.Parameter(torch.empty(hidden_size).uniform_(0, largest_weight))

    def constrain_parameters(self) -> None:
        """Clip the recurrent weight."""
        self.recurrent_weight.clamp_(-self.largest_weight, self.largest_weight)

    def pointwise(self, input_gates: Gates, state: HiddenState) -> tuple[Hidden, HiddenState]:
        """Return the new state twice; see `ElementwiseCell.pointwise`."""
        total = input_gates + self.recurrent_weight * state.hidden
        h = torch.relu(total) if self.nonlinearity == "relu" else torch.tanh(total)
        return h, HiddenState(h)

"""The vanilla RNN."""

import math
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from seqforge.interfaces import Cell

_NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}


class RNNState(NamedTuple):
    """An RNN's memory.

    Attributes:
        hidden: The last output.
    """

    hidden: Float[Tensor, "batch hidden"]


class RNN(Cell[RNNState]):
    """A vanilla recurrent layer (Elman, "Finding Structure in Time", 1990).

    Args:
        input_size: Features a step reads.
        hidden_size: Features of the state, which is also the output.
        nonlinearity: What the sum goes through: `tanh`, or `relu` (Le et al. 2015, arXiv 1504.00941).

    Attributes:
        input_weight: `[hidden, input]`.
        recurrent_weight: `[hidden, hidden]`.
        bias: `[hidden]`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Features of the state and of the output.")] = 128,
        nonlinearity: Annotated[Literal["tanh", "relu"], Field(description="What the sum goes through.")] = "tanh",
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.nonlinearity = _NONLINEARITIES[nonlinearity]
        self.input_weight = nn.Parameter(torch.empty(hidden_size, input_size))
        self.recurrent_weight = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.empty(hidden_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter from U(-1/√hidden, 1/√hidden), as torch does."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def initial_state(self, batch_size: int) -> RNNState:
        """Make a state of zeros.

        Args:
            batch_size: Sequences in the batch.

        Returns:
            The state before the first step.
        """
        return RNNState(self.recurrent_weight.new_zeros(batch_size, self.hidden_size))

    def project(self, inputs: Float[Tensor, "time batch input"]) -> Float[Tensor, "time batch hidden"]:
        """Compute W x + b for all steps in one product.

        Args:
            inputs: The sequence.

        Returns:
            The inputs' part of every step's sum.
        """
        return functional.linear(inputs, self.input_weight, self.bias)

    def step(
        self, projected: Float[Tensor, "batch hidden"], state: RNNState
    ) -> tuple[Float[Tensor, "batch hidden"], RNNState]:
        """Advance by one step.

        Args:
            projected: One step of `project`'s result.
            state: The state before it.

        Returns:
            The output and the state after it.
        """
        hidden = self.nonlinearity(torch.addmm(projected, state.hidden, self.recurrent_weight.t()))
        return hidden, RNNState(hidden)

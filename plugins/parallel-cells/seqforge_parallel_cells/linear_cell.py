"""What the cells share: a recurrence that is linear in the state."""

import math
from abc import abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seqforge.interfaces import Cell
from seqforge_parallel_cells.linear_recurrence import linear_recurrence, scan_for


class LinearState(NamedTuple):
    """The memory of a linear recurrence.

    Attributes:
        hidden: The last output.
    """

    hidden: Float[Tensor, "batch hidden"]


class LinearCell(Cell[LinearState]):
    """A cell h' = a ⊙ h + b, where a and b depend on the step's input alone.

    A subclass writes `coefficients`. Under autocast the product runs in the lower precision; the rest, and the state,
    keep the parameters' own.

    Args:
        input_size: Features a step reads.
        hidden_size: Features of the state, which is also the output.
        gates: How many times the hidden size the product gives.

    Attributes:
        input_weight: `[gates·hidden, input]`.
        bias: `[gates·hidden]`.
    """

    def __init__(self, input_size: int, hidden_size: int, gates: int) -> None:
        super().__init__(input_size, hidden_size)
        self.input_weight = nn.Parameter(torch.empty(gates * hidden_size, input_size))
        self.bias = nn.Parameter(torch.empty(gates * hidden_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter from U(-1/√hidden, 1/√hidden), as torch does for its recurrent layers."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    @abstractmethod
    def coefficients(
        self, gates: Float[Tensor, "time batch gates"]
    ) -> tuple[Float[Tensor, "time batch hidden"], Float[Tensor, "time batch hidden"]]:
        """Turn the product into the recurrence's coefficients.

        Args:
            gates: W x + b for every step.

        Returns:
            What the state is multiplied by, and what is added to it.
        """

    def initial_state(self, batch_size: int) -> LinearState:
        """Make a state of zeros.

        Args:
            batch_size: Sequences in the batch.

        Returns:
            The state before the first step.
        """
        return LinearState(self.bias.new_zeros(batch_size, self.hidden_size))

    def project(self, inputs: Float[Tensor, "time batch input"]) -> Float[Tensor, "time batch coefficients"]:
        """Compute everything but the recurrence, for all steps at once.

        Args:
            inputs: The sequence.

        Returns:
            Every step's two coefficients, side by side.
        """
        return torch.cat(self._coefficients_of(inputs), dim=-1)

    def step(
        self, projected: Float[Tensor, "batch coefficients"], state: LinearState
    ) -> tuple[Float[Tensor, "batch hidden"], LinearState]:
        """Advance by one step.

        Args:
            projected: One step of `project`'s result.
            state: The state before it.

        Returns:
            The output and the state after it.
        """
        decay, addend = projected.chunk(2, dim=1)
        h = torch.addcmul(addend, decay, state.hidden)
        return h, LinearState(h)

    def forward(
        self, inputs: Float[Tensor, "time batch input"], state: LinearState
    ) -> tuple[Float[Tensor, "time batch hidden"], LinearState]:
        """Read a whole sequence at once.

        Args:
            inputs: The sequence.
            state: The state before its first step.

        Returns:
            The output of every step, and the state after the last.
        """
        outputs = linear_recurrence(scan_for(inputs.device), *self._coefficients_of(inputs), state.hidden)
        # A copy, since a view that is carried on would keep the whole sequence in memory.
        return outputs, LinearState(outputs[-1].clone())

    def _coefficients_of(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        product = functional.linear(inputs, self.input_weight, self.bias)
        return self.coefficients(product.to(self.bias.dtype))


def positive(candidate: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Compute the paper's g: x + ½ from 0 upwards, and σ(x) below, which is positive and continuous.

    Args:
        candidate: Any numbers.
    """
    return torch.where(candidate >= 0, candidate + 0.5, torch.sigmoid(candidate))

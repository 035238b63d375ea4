"""minGRU and minLSTM (Feng et al. 2024, "Were RNNs All We Needed?", arXiv 2410.01201), in the log-space version.

Both are linear in the state: h' = a ⊙ h + b, where a and b depend on the input of the step only.
"""

import math
from abc import abstractmethod
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from seqforge.interfaces import Cell
from seqforge_parallel_cells.linear_recurrence import linear_recurrence, scan_for

HiddenSize = Annotated[PositiveInt, Field(description="Size of the state and of the output.")]


class LinearState(NamedTuple):
    """State of a linear cell.

    Attributes:
        hidden: Output of the previous step.
    """

    hidden: Float[Tensor, "batch hidden"]


class LinearCell(Cell[LinearState]):
    """Base class of cells with the recurrence h' = a ⊙ h + b.

    A subclass implements `coefficients` and passes its number of gates, each of `hidden_size`. Under autocast,
    the input projection runs in the lower precision; everything else, including the state, keeps the type of the
    parameters.

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
        """Return a, the factor of the state, and b, the addend, of every step from `gates` = W x + b."""

    def initial_state(self, batch_size: int) -> LinearState:
        """Return a state of zeros."""
        return LinearState(self.bias.new_zeros(batch_size, self.hidden_size))

    def project(self, inputs: Float[Tensor, "time batch input"]) -> Float[Tensor, "time batch coefficients"]:
        """Return the two coefficients of every step, concatenated."""
        return torch.cat(self._coefficients_of(inputs), dim=-1)

    def step(
        self, projected: Float[Tensor, "batch coefficients"], state: LinearState
    ) -> tuple[Float[Tensor, "batch hidden"], LinearState]:
        """Return the output of one step, and the state after it."""
        decay, addend = projected.chunk(2, dim=1)
        h = torch.addcmul(addend, decay, state.hidden)
        return h, LinearState(h)

    def forward(
        self, inputs: Float[Tensor, "time batch input"], state: LinearState
    ) -> tuple[Float[Tensor, "time batch hidden"], LinearState]:
        """Return the output of every step, and the state after the last step."""
        outputs = linear_recurrence(scan_for(inputs.device), *self._coefficients_of(inputs), state.hidden)
        # A copy, because a view would keep the outputs of the whole sequence in memory.
        return outputs, LinearState(outputs[-1].clone())

    def _coefficients_of(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        product = functional.linear(inputs, self.input_weight, self.bias)
        return self.coefficients(product.to(self.bias.dtype))


class MinGRU(LinearCell):
    """Minimal GRU: h' = (1 - z) ⊙ h + z ⊙ g(W_h x + b_h), where z = σ(W_z x + b_z).

    The order of the gates is update, candidate (z, h).

    Attributes:
        input_weight: `[2·hidden, input]`.
        bias: `[2·hidden]`.
    """

    def __init__(self, input_size: int, hidden_size: HiddenSize = 128) -> None:
        super().__init__(input_size, hidden_size, gates=2)

    def coefficients(
        self, gates: Float[Tensor, "time batch gates"]
    ) -> tuple[Float[Tensor, "time batch hidden"], Float[Tensor, "time batch hidden"]]:
        """Return 1 - z and z ⊙ g(candidate) of every step."""
        update, candidate = gates.chunk(2, dim=-1)
        z = torch.sigmoid(update)
        return 1 - z, z * positive(candidate)


class MinLSTM(LinearCell):
    """Minimal LSTM: h' = f/(f + i) ⊙ h + i/(f + i) ⊙ g(W_h x + b_h), where f = σ(W_f x + b_f) and i = σ(W_i x + b_i).

    The order of the gates is input, forget, candidate (i, f, h).

    Attributes:
        input_weight: `[3·hidden, input]`.
        bias: `[3·hidden]`.
    """

    def __init__(self, input_size: int, hidden_size: HiddenSize = 128) -> None:
        super().__init__(input_size, hidden_size, gates=3)

    def coefficients(
        self, gates: Float[Tensor, "time batch gates"]
    ) -> tuple[Float[Tensor, "time batch hidden"], Float[Tensor, "time batch hidden"]]:
        """Return f/(f + i) and i/(f + i) ⊙ g(candidate) of every step."""
        input_gate, forget_gate, candidate = gates.chunk(3, dim=-1)
        # i/(f + i) = σ(ln i - ln f), which stays accurate when f and i both underflow. The two fractions sum to 1.
        share = torch.sigmoid(functional.logsigmoid(input_gate) - functional.logsigmoid(forget_gate))
        return 1 - share, share * positive(candidate)


def positive(candidate: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Compute g of the paper elementwise: x + ½ if x ≥ 0, and σ(x) otherwise. It is positive and continuous."""
    return torch.where(candidate >= 0, candidate + 0.5, torch.sigmoid(candidate))

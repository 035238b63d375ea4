"""minGRU and minLSTM (Feng et al. 2024, "Were RNNs All We Needed?", arXiv 2410.01201), as defined for log space.

Both are linear in the state: h' = a ⊙ h + b, where a and b depend only on the input of the step. The candidate state is
g(W x + b) with a positive g; see `positive`.
"""

from abc import abstractmethod
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn import functional

from seqforge.kinds import ElementwiseCell, Gates, Hidden, HiddenState, Inputs
from seqforge_parallel_cells.linear_recurrence import linear_recurrence, scan_for

Coefficients = tuple[Float[Tensor, "*time batch hidden"], Float[Tensor, "*time batch hidden"]]
"""a and b of one step, or of every step."""


class LinearCell(ElementwiseCell[HiddenState]):
    """Base class of cells with the recurrence h' = a ⊙ h + b.

    A subclass implements `coefficients`. `forward` computes the coefficients of all steps at once, and the states by a
    scan with its own gradient. Under autocast, the input projection runs in the lower precision. Everything else,
    including the state, keeps the type of the parameters.

    Attributes:
        gate_count: Number of gates, including the candidate state.
        input_weight: `[gates·hidden, input]`.
        bias: `[gates·hidden]`.
    """

    gate_count: ClassVar[int]

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
    ) -> None:
        super().__init__(input_size, hidden_size, self.gate_count * hidden_size)

    @abstractmethod
    def coefficients(self, gates: Float[Tensor, "*time batch gates"]) -> Coefficients:
        """Return a, the factor of the state, and b, the addend, from `gates` = W x + b."""

    def pointwise(self, input_gates: Gates, state: HiddenState) -> tuple[Hidden, HiddenState]:
        """Return the new state twice; see `ElementwiseCell.pointwise`."""
        decay, addend = self.coefficients(input_gates)
        h = torch.addcmul(addend, decay, state.hidden)
        return h, HiddenState(h)

    def forward(self, inputs: Inputs, state: HiddenState) -> tuple[Float[Tensor, "time batch hidden"], HiddenState]:
        """Return the output of every step, and the state after the last step."""
        decays, addends = self.coefficients(self.project(inputs).to(state.hidden.dtype))
        outputs = linear_recurrence(scan_for(inputs.device), decays, addends, state.hidden)
        # Copied, because a view would keep the outputs of the whole sequence in memory.
        return outputs, HiddenState(outputs[-1].clone())


class MinGRU(LinearCell):
    """Minimal GRU: h' = (1 - z) ⊙ h + z ⊙ g(W_h x + b_h), where z = σ(W_z x + b_z).

    The order of the gates is update, candidate (z, h).

    Attributes:
        input_weight: `[2·hidden, input]`.
        bias: `[2·hidden]`.
    """

    gate_count = 2

    def coefficients(self, gates: Float[Tensor, "*time batch gates"]) -> Coefficients:
        """Return 1 - z and z ⊙ g(candidate)."""
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

    gate_count = 3

    def coefficients(self, gates: Float[Tensor, "*time batch gates"]) -> Coefficients:
        """Return f/(f + i) and i/(f + i) ⊙ g(candidate)."""
        input_gate, forget_gate, candidate = gates.chunk(3, dim=-1)
        # i/(f + i) = σ(ln i - ln f), which stays accurate when f and i both underflow; f/(f + i) is 1 minus it.
        fraction = torch.sigmoid(functional.logsigmoid(input_gate) - functional.logsigmoid(forget_gate))
        return 1 - fraction, fraction * positive(candidate)


def positive(candidate: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Compute g of the paper elementwise: x + ½ if x ≥ 0, and σ(x) otherwise. It is positive and continuous."""
    return torch.where(candidate >= 0, candidate + 0.5, torch.sigmoid(candidate))

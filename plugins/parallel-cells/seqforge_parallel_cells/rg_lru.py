"""The real-gated linear recurrent unit (RG-LRU)."""

from typing import Annotated, cast

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import HiddenState
from seqforge_parallel_cells.cells import Coefficients, LinearCell
from seqforge_parallel_cells.highway import HighwayCell

_DECAY_EXPONENT = 8.0

_SMALLEST_SQUARE = 2.5e-7
"""Value of 1 - a² at which the slope of its root is 1,000, the bound of the authors' code."""


class RGLRU(HighwayCell[HiddenState], LinearCell):
    """Real-gated linear recurrent unit (De et al. 2024, "Griffin", arXiv 2402.19427).

    h' = a ⊙ h + √(1 - a²) ⊙ (i ⊙ x), where a = exp(-8 softplus(Λ) ⊙ r), r = σ(W_r x + b_r) and i = σ(W_i x + b_i). If
    the sizes of x and h differ, W_x x + b_x is used in the place of x. The order of the gates is recurrence, input,
    candidate (r, i, x). Initially, a is between 0.9 and 0.999 where r = 1/8, uniformly in its square; biases are 0.

    The gates of the paper are block-diagonal; here, every gate reads the whole input.

    Attributes:
        input_weight: `[2·hidden, input]`, or `[3·hidden, input]` with W_x.
        bias: `[2·hidden]`, or `[3·hidden]` with b_x.
        decay: Λ, `[hidden]`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
    ) -> None:
        self.gate_count = 2 if input_size == hidden_size else 3  # pyright: ignore[reportAttributeAccessIssue]
        super().__init__(input_size, hidden_size)
        self.decay = nn.Parameter(torch.empty(hidden_size))
        nn.init.zeros_(cast("Tensor", self.bias))
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Draw Λ from the distribution of the authors' code."""
        with torch.no_grad():
            decay = torch.empty_like(self.decay).uniform_(0.9**2, 0.999**2).sqrt()
            self.decay.copy_(torch.log(torch.expm1(-torch.log(decay))))

    def coefficients(self, gates: Float[Tensor, "*time batch gates"]) -> Coefficients:
        """Return a and √(1 - a²) ⊙ (i ⊙ x)."""
        recurrence, input_gate, x = gates.chunk(3, dim=-1)
        log_a = -_DECAY_EXPONENT * functional.softplus(self.decay) * torch.sigmoid(recurrence)
        a = torch.exp(log_a)
        # 1 - a² = -tanh(log a) (1 + a²), which stays accurate for a near 1.
        square = -torch.tanh(log_a) * (1 + a * a)
        slope = 0.5 / torch.sqrt(torch.clamp(square, min=_SMALLEST_SQUARE))
        scale = torch.sqrt(square).detach() + (square - square.detach()) * slope.detach()
        return a, scale * torch.sigmoid(input_gate) * x

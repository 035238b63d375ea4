"""The minimal gated unit (MGU)."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor

from seqforge.kinds import HiddenState, ProjectedCell


class MGU(ProjectedCell[HiddenState]):
    """Minimal gated unit (Zhou et al. 2016, arXiv 1603.09420): a GRU whose two gates are one.

    f = σ(W_f x + U_f h + b_f), n = tanh(W_n x + U_n (f ⊙ h) + b_n) and h' = (1 - f) ⊙ h + f ⊙ n. The order of the gates
    is forget, candidate (f, n).

    Attributes:
        input_weight: `[2·hidden, input]`.
        recurrent_weight: `[2·hidden, hidden]`.
        bias: `[2·hidden]`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
    ) -> None:
        super().__init__(input_size, hidden_size, 2 * hidden_size)
        self.recurrent_weight = self.uniform_parameter(2 * hidden_size, hidden_size)

    def initial_state(self, batch_size: int) -> HiddenState:
        """Return a state of zeros."""
        return HiddenState(self.recurrent_weight.new_zeros(batch_size, self.hidden_size))

    def step(
        self, projected: Float[Tensor, "batch gates"], state: HiddenState
    ) -> tuple[Float[Tensor, "batch hidden"], HiddenState]:
        """Compute one step; see `Cell.step`."""
        h = state.hidden
        input_f, input_n = projected.to(h.dtype).chunk(2, dim=1)
        weight_f, weight_n = self.recurrent_weight.chunk(2)
        f = torch.sigmoid(torch.addmm(input_f, h, weight_f.t()))
        n = torch.tanh(torch.addmm(input_n, f * h, weight_n.t()))
        h = (1 - f) * h + f * n
        return h, HiddenState(h)

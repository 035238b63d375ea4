"""Gated recurrent units (GRU), with the reset gate after or before the recurrent product, and with one gate (MGU).

The first version of the paper scales the product U_n h by the reset gate. The third version, which was published,
scales the state before the product.
"""

from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor

from seqforge.kinds import Equations, FactoredCell, Gates, Hidden, HiddenState, ProjectedCell


class GRU(FactoredCell[HiddenState]):
    """Gated recurrent unit (Cho et al. 2014, arXiv 1406.1078v1), as in cuDNN and `torch.nn.GRU`.

    The order of the gates is reset, update, candidate (r, z, n).

    Attributes:
        input_weight: `[3·hidden, input]`.
        recurrent_weight: `[3·hidden, hidden]`.
        bias: `[3·hidden]`.
        recurrent_bias: `[hidden]`, a bias of the recurrent product of the candidate, which the reset gate scales.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
    ) -> None:
        super().__init__(input_size, hidden_size, 3 * hidden_size)
        self.recurrent_bias = self.uniform_parameter(hidden_size)

    @property
    def equations(self) -> Equations:
        """`gru`."""
        return "gru"

    def pointwise(self, input_gates: Gates, recurrent_gates: Gates, state: HiddenState) -> tuple[Hidden, HiddenState]:
        """Compute the elementwise part of one step; see `FactoredCell.pointwise`."""
        h = state.hidden
        input_r, input_z, input_n = input_gates.chunk(3, dim=1)
        recurrent_r, recurrent_z, recurrent_n = recurrent_gates.chunk(3, dim=1)
        r = torch.sigmoid(input_r + recurrent_r)
        z = torch.sigmoid(input_z + recurrent_z)
        n = torch.tanh(input_n + r * (recurrent_n + self.recurrent_bias))
        h = (1 - z) * n + z * h
        return h, HiddenState(h)


class ResetBeforeGRU(ProjectedCell[HiddenState]):
    """Gated recurrent unit as published (Cho et al. 2014, arXiv 1406.1078v3): n depends on U_n (r ⊙ h).

    The order of the gates is reset, update, candidate (r, z, n).

    Attributes:
        input_weight: `[3·hidden, input]`.
        recurrent_weight: `[3·hidden, hidden]`.
        bias: `[3·hidden]`.
    """

    gate_count: ClassVar[int] = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
    ) -> None:
        super().__init__(input_size, hidden_size, self.gate_count * hidden_size)
        self.recurrent_weight = self.uniform_parameter(self.gate_count * hidden_size, hidden_size)

    def step(self, projected: Float[Tensor, "batch gates"], state: HiddenState) -> tuple[Hidden, HiddenState]:
        """Compute one step; see `Cell.step`."""
        h = state.hidden
        input_r, input_z, input_n = projected.to(h.dtype).chunk(3, dim=1)
        weight_r, weight_z, weight_n = self.recurrent_weight.chunk(3)
        r = torch.sigmoid(torch.addmm(input_r, h, weight_r.t()))
        z = torch.sigmoid(torch.addmm(input_z, h, weight_z.t()))
        n = torch.tanh(torch.addmm(input_n, r * h, weight_n.t()))
        h = (1 - z) * n + z * h
        return h, HiddenState(h)


class MGU(ResetBeforeGRU):
    """Minimal gated unit (Zhou et al. 2016, arXiv 1603.09420): the GRU as published, but its two gates are one.

    f = σ(W_f x + U_f h + b_f), n = tanh(W_n x + U_n (f ⊙ h) + b_n) and h' = (1 - f) ⊙ h + f ⊙ n. The order of the gates
    is forget, candidate (f, n), so that the weights have 2·hidden rows.
    """

    gate_count = 2

    def step(self, projected: Float[Tensor, "batch gates"], state: HiddenState) -> tuple[Hidden, HiddenState]:
        """Compute one step; see `Cell.step`."""
        h = state.hidden
        input_f, input_n = projected.to(h.dtype).chunk(2, dim=1)
        weight_f, weight_n = self.recurrent_weight.chunk(2)
        f = torch.sigmoid(torch.addmm(input_f, h, weight_f.t()))
        n = torch.tanh(torch.addmm(input_n, f * h, weight_n.t()))
        h = (1 - f) * h + f * n
        return h, HiddenState(h)

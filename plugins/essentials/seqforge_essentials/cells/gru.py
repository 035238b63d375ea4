"""The gated recurrent unit (GRU), with the reset gate after or before the recurrent product."""

from typing import Annotated, Literal, cast

import torch
from jaxtyping import Float, Int
from pydantic import Field, PositiveInt
from torch import Tensor

from seqforge.interfaces import Cell, Equations, FactoredCell, Gates, HiddenState, Stepper


class GRU(FactoredCell[HiddenState]):
    """Gated recurrent unit (Cho et al. 2014, arXiv 1406.1078).

    The order of the gates is reset, update, candidate (r, z, n).

    Args:
        input_size: Number of input features.
        hidden_size: Size of the state, which is also the output.
        reset_gate: Placement of the reset gate: `after` the recurrent product, as in the first version of the paper,
            cuDNN and `torch.nn.GRU`, or `before` it, on the state, as in the third version, which was published.

    Attributes:
        input_weight: `[3·hidden, input]`.
        recurrent_weight: `[3·hidden, hidden]`.
        bias: `[3·hidden]`.
        recurrent_bias: `[hidden]`, a bias of the recurrent product of the candidate, which the reset gate scales. None
            if the reset gate is `before` the product, because `bias` would then have the same effect.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Size of the state and of the output.")] = 128,
        reset_gate: Annotated[
            Literal["after", "before"],
            Field(description="Placement of the reset gate: after the recurrent product, as in cuDNN, or before it."),
        ] = "after",
    ) -> None:
        super().__init__(input_size, hidden_size, 3 * hidden_size)
        self.recurrent_bias = self.uniform_parameter(hidden_size) if reset_gate == "after" else None

    @property
    def equations(self) -> Equations | None:
        """`gru` if the reset gate acts after the recurrent product, otherwise None."""
        return "gru" if self.recurrent_bias is not None else None

    def initial_state(self, batch_size: int) -> HiddenState:
        """Return a state of zeros."""
        return HiddenState(self.recurrent_weight.new_zeros(batch_size, self.hidden_size))

    def pointwise(
        self, input_gates: Gates, recurrent_gates: Gates, state: HiddenState
    ) -> tuple[Float[Tensor, "batch hidden"], HiddenState]:
        """Compute the elementwise part of one step, if the reset gate acts after the recurrent product."""
        h = state.hidden
        input_r, input_z, input_n = input_gates.chunk(3, dim=1)
        recurrent_r, recurrent_z, recurrent_n = recurrent_gates.chunk(3, dim=1)
        r = torch.sigmoid(input_r + recurrent_r)
        z = torch.sigmoid(input_z + recurrent_z)
        n = torch.tanh(input_n + r * (recurrent_n + cast("Tensor", self.recurrent_bias)))
        h = (1 - z) * n + z * h
        return h, HiddenState(h)

    def step(
        self, projected: Float[Tensor, "batch gates"], state: HiddenState
    ) -> tuple[Float[Tensor, "batch hidden"], HiddenState]:
        """Compute one step; see `Cell.step`."""
        if self.recurrent_bias is not None:
            return super().step(projected, state)
        h = state.hidden
        input_r, input_z, input_n = projected.to(h.dtype).chunk(3, dim=1)
        weight_r, weight_z, weight_n = self.recurrent_weight.chunk(3)
        r = torch.sigmoid(torch.addmm(input_r, h, weight_r.t()))
        z = torch.sigmoid(torch.addmm(input_z, h, weight_z.t()))
        n = torch.tanh(torch.addmm(input_n, r * h, weight_n.t()))
        h = (1 - z) * n + z * h
        return h, HiddenState(h)

    def forward(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"], state: HiddenState
    ) -> tuple[Float[Tensor, "time batch hidden"], HiddenState]:
        """Compute a whole sequence, step by step if the reset gate acts before the recurrent product."""
        if self.recurrent_bias is None:
            return Cell[HiddenState].forward(self, inputs, state)
        return super().forward(inputs, state)

    def stepper(self, batch_size: int) -> Stepper[HiddenState]:
        """Return a function that computes one step without gradients; see `Cell.stepper`."""
        if self.recurrent_bias is None:
            return Cell[HiddenState].stepper(self, batch_size)
        return super().stepper(batch_size)

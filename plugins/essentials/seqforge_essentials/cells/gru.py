"""The gated recurrent unit, with either place of its reset gate."""

from typing import Annotated, Literal, NamedTuple, cast

import torch
from jaxtyping import Float, Int
from pydantic import Field, PositiveInt
from torch import Tensor

from seqforge.interfaces import Cell, Equations, FactoredCell, Stepper


class GRUState(NamedTuple):
    """A GRU's memory.

    Attributes:
        hidden: The last output.
    """

    hidden: Float[Tensor, "batch hidden"]


class GRU(FactoredCell[GRUState]):
    """A gated recurrent unit (Cho et al. 2014, arXiv 1406.1078).

    Gates come in the order reset, update, candidate (r, z, n).

    Args:
        input_size: Features a step reads.
        hidden_size: Features of the state, which is also the output.
        reset_gate: Where the reset gate acts: `after` the state's product, as in cuDNN and `torch.nn.GRU` (the paper's
            first version), or `before` it, on the state itself (its third version, which was published).

    Attributes:
        input_weight: `[3·hidden, input]`.
        recurrent_weight: `[3·hidden, hidden]`.
        bias: `[3·hidden]`.
        recurrent_bias: `[hidden]`, of the candidate's recurrent part, which the reset gate scales; only where it acts
            `after` the product, for elsewhere it would add nothing to `bias`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Features of the state and of the output.")] = 128,
        reset_gate: Annotated[
            Literal["after", "before"],
            Field(description="Where the reset gate acts: after the state's product, as in cuDNN, or before it."),
        ] = "after",
    ) -> None:
        super().__init__(input_size, hidden_size, 3 * hidden_size)
        self.recurrent_bias = self.uniform_parameter(hidden_size) if reset_gate == "after" else None

    @property
    def equations(self) -> Equations | None:
        """`gru`, if the reset gate acts after the product."""
        return "gru" if self.recurrent_bias is not None else None

    def initial_state(self, batch_size: int) -> GRUState:
        """Make a state of zeros.

        Args:
            batch_size: Sequences in the batch.

        Returns:
            The state before the first step.
        """
        return GRUState(self.recurrent_weight.new_zeros(batch_size, self.hidden_size))

    def pointwise(
        self,
        input_gates: Float[Tensor, "batch gates"],
        recurrent_gates: Float[Tensor, "batch gates"],
        state: GRUState,
    ) -> tuple[Float[Tensor, "batch hidden"], GRUState]:
        """Advance by one step, given both sides' gates, where the reset gate acts after the product.

        Args:
            input_gates: W x + b.
            recurrent_gates: U h.
            state: The state before the step.

        Returns:
            The output and the state after it.
        """
        h = state.hidden
        input_r, input_z, input_n = input_gates.chunk(3, dim=1)
        recurrent_r, recurrent_z, recurrent_n = recurrent_gates.chunk(3, dim=1)
        r = torch.sigmoid(input_r + recurrent_r)
        z = torch.sigmoid(input_z + recurrent_z)
        n = torch.tanh(input_n + r * (recurrent_n + cast("Tensor", self.recurrent_bias)))
        h = (1 - z) * n + z * h
        return h, GRUState(h)

    def step(
        self, projected: Float[Tensor, "batch gates"], state: GRUState
    ) -> tuple[Float[Tensor, "batch hidden"], GRUState]:
        """Advance by one step.

        Args:
            projected: One step of `project`'s result.
            state: The state before it.

        Returns:
            The output and the state after it.
        """
        if self.recurrent_bias is not None:
            return super().step(projected, state)
        h = state.hidden
        input_r, input_z, input_n = projected.to(h.dtype).chunk(3, dim=1)
        weight_r, weight_z, weight_n = self.recurrent_weight.chunk(3)
        r = torch.sigmoid(torch.addmm(input_r, h, weight_r.t()))
        z = torch.sigmoid(torch.addmm(input_z, h, weight_z.t()))
        n = torch.tanh(torch.addmm(input_n, r * h, weight_n.t()))
        h = (1 - z) * n + z * h
        return h, GRUState(h)

    def forward(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"], state: GRUState
    ) -> tuple[Float[Tensor, "time batch hidden"], GRUState]:
        """Read a whole sequence; with the reset gate before the product, which is then two, step by step.

        Args:
            inputs: The sequence.
            state: The state before its first step.

        Returns:
            The output of every step, and the state after the last.
        """
        if self.recurrent_bias is None:
            return Cell[GRUState].forward(self, inputs, state)
        return super().forward(inputs, state)

    def stepper(self, batch_size: int) -> Stepper[GRUState]:
        """Prepare to read one step at a time.

        Args:
            batch_size: Sequences that will be read side by side.

        Returns:
            A function of one step's inputs and a state, which gives the output and the state after it.
        """
        if self.recurrent_bias is None:
            return Cell[GRUState].stepper(self, batch_size)
        return super().stepper(batch_size)

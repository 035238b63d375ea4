"""The gated recurrent unit on compiled kernels."""

from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor

from seqforge_native import sequence
from seqforge_native.cell import NativeCell


class GRUState(NamedTuple):
    """A GRU's memory.

    Attributes:
        hidden: The last output.
    """

    hidden: Float[Tensor, "batch hidden"]


class GRU(NativeCell[GRUState]):
    """A gated recurrent unit (Cho et al. 2014, arXiv 1406.1078, first version), as cuDNN and `torch.nn.GRU` have it.

    Gates come in the order reset, update, candidate (r, z, n); the reset gate acts after the state's product.

    Args:
        input_size: Features a step reads.
        hidden_size: Features of the state, which is also the output.

    Attributes:
        input_weight: `[3·hidden, input]`.
        recurrent_weight: `[3·hidden, hidden]`.
        bias: `[3·hidden]`.
        recurrent_bias: `[hidden]`, of the candidate's recurrent part, which the reset gate scales.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Features of the state and of the output.")] = 128,
    ) -> None:
        super().__init__(input_size, hidden_size, 3 * hidden_size)
        self.kernel = sequence.GRU
        self.recurrent_bias = self.uniform_parameter(hidden_size)

    @property
    def recurrent_bias_of_kernel(self) -> Tensor:
        """The candidate's."""
        return self.recurrent_bias

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
        """Advance by one step, given both sides' gates.

        Args:
            input_gates: W x + b.
            recurrent_gates: U h.
            state: The state before the step.

        Returns:
            The output and the state after it.
        """
        input_r, input_z, input_n = input_gates.chunk(3, dim=1)
        recurrent_r, recurrent_z, recurrent_n = recurrent_gates.chunk(3, dim=1)
        r = torch.sigmoid(input_r + recurrent_r)
        z = torch.sigmoid(input_z + recurrent_z)
        n = torch.tanh(input_n + r * (recurrent_n + self.recurrent_bias))
        h = (1 - z) * n + z * state.hidden
        return h, GRUState(h)

"""Long short-term memory on compiled kernels."""

from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor

from seqforge_native import sequence
from seqforge_native.cell import NativeCell


class LSTMState(NamedTuple):
    """An LSTM's memory.

    Attributes:
        hidden: The last output.
        cell: What the gates write to and forget from.
    """

    hidden: Float[Tensor, "batch hidden"]
    cell: Float[Tensor, "batch hidden"]


class LSTM(NativeCell[LSTMState]):
    """Long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers et al. 2000).

    Gates come in the order input, forget, candidate, output (i, f, g, o).

    Args:
        input_size: Features a step reads.
        hidden_size: Features of the output, and of each of the state's two parts.
        forget_bias: The forget gate's bias before training (Gers et al. 2000; Jozefowicz et al. 2015).

    Attributes:
        input_weight: `[4·hidden, input]`.
        recurrent_weight: `[4·hidden, hidden]`.
        bias: `[4·hidden]`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Features of the state and of the output.")] = 128,
        forget_bias: Annotated[float, Field(description="The forget gate's bias before training.")] = 1.0,
    ) -> None:
        super().__init__(input_size, hidden_size, 4 * hidden_size)
        self.kernel = sequence.LSTM
        self.forget_bias = forget_bias
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Set the forget gate's bias, so that the cell remembers before it has learned what to forget."""
        self.bias.detach().chunk(4)[1].fill_(self.forget_bias)

    def initial_state(self, batch_size: int) -> LSTMState:
        """Make a state of zeros.

        Args:
            batch_size: Sequences in the batch.

        Returns:
            The state before the first step.
        """
        shape = (batch_size, self.hidden_size)
        return LSTMState(self.recurrent_weight.new_zeros(shape), self.recurrent_weight.new_zeros(shape))

    def pointwise(
        self,
        input_gates: Float[Tensor, "batch gates"],
        recurrent_gates: Float[Tensor, "batch gates"],
        state: LSTMState,
    ) -> tuple[Float[Tensor, "batch hidden"], LSTMState]:
        """Advance by one step, given both sides' gates.

        Args:
            input_gates: W x + b.
            recurrent_gates: U h.
            state: The state before the step.

        Returns:
            The output and the state after it.
        """
        i, f, g, o = (input_gates + recurrent_gates).chunk(4, dim=1)
        c = torch.sigmoid(f) * state.cell + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, LSTMState(h, c)

"""Long short-term memory on torch's fused kernels."""

from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from seqforge.interfaces import Cell


class LSTMState(NamedTuple):
    """An LSTM's memory.

    Attributes:
        hidden: The last output.
        cell: What the gates write to and forget from.
    """

    hidden: Float[Tensor, "batch hidden"]
    cell: Float[Tensor, "batch hidden"]


class LSTM(Cell[LSTMState]):
    """Long short-term memory (Hochreiter & Schmidhuber 1997) over `torch.nn.LSTM`: cuDNN on a GPU, oneDNN on a CPU.

    Args:
        input_size: Features a step reads.
        hidden_size: Features of the output, and of each of the state's two parts.
        forget_bias: The forget gate's bias before training (Gers et al. 2000; Jozefowicz et al. 2015).

    Attributes:
        layer: torch's module, of one layer, whose two biases are added.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Features of the state and of the output.")] = 128,
        forget_bias: Annotated[float, Field(description="The forget gate's bias before training.")] = 1.0,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.forget_bias = forget_bias
        self.layer = nn.LSTM(input_size, hidden_size)
        self.set_initial_biases()

    def set_initial_biases(self) -> None:
        """Set the forget gate's bias, which torch keeps in two parts: one takes it all, the other is zero."""
        forget = slice(self.hidden_size, 2 * self.hidden_size)
        _, _, input_bias, recurrent_bias = self.layer.all_weights[0]
        input_bias.detach()[forget] = self.forget_bias
        recurrent_bias.detach()[forget] = 0

    def initial_state(self, batch_size: int) -> LSTMState:
        """Make a state of zeros.

        Args:
            batch_size: Sequences in the batch.

        Returns:
            The state before the first step.
        """
        weight, shape = self.layer.all_weights[0][0], (batch_size, self.hidden_size)
        return LSTMState(weight.new_zeros(shape), weight.new_zeros(shape))

    def step(
        self, projected: Float[Tensor, "batch input"], state: LSTMState
    ) -> tuple[Float[Tensor, "batch hidden"], LSTMState]:
        """Advance by one step, as `torch.nn.LSTMCell` does.

        Args:
            projected: One step of the inputs.
            state: The state before it.

        Returns:
            The output and the state after it.
        """
        hidden, cell = torch.lstm_cell(projected, state, *self.layer.all_weights[0])
        return hidden, LSTMState(hidden, cell)

    def forward(
        self, inputs: Float[Tensor, "time batch input"], state: LSTMState
    ) -> tuple[Float[Tensor, "time batch hidden"], LSTMState]:
        """Read a whole sequence in one fused call.

        Args:
            inputs: The sequence.
            state: The state before its first step.

        Returns:
            The output of every step, and the state after the last.
        """
        # torch's state has an axis for its layers, and cuDNN takes it only in one piece.
        hidden, cell = (tensor.contiguous().unsqueeze(0) for tensor in state)
        outputs, (hidden, cell) = self.layer(inputs, (hidden, cell))
        # Under autocast torch rounds the state; the next sequence goes on from float32 all the same.
        own = state.hidden.dtype
        return outputs, LSTMState(hidden.squeeze(0).to(own), cell.squeeze(0).to(own))

"""The vanilla RNN on torch's fused kernels."""

from typing import Annotated, Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from seqforge.interfaces import Cell


class RNNState(NamedTuple):
    """An RNN's memory.

    Attributes:
        hidden: The last output.
    """

    hidden: Float[Tensor, "batch hidden"]


class RNN(Cell[RNNState]):
    """A vanilla recurrent layer (Elman 1990) over `torch.nn.RNN`: cuDNN on a GPU, native code on a CPU.

    Args:
        input_size: Features a step reads.
        hidden_size: Features of the state, which is also the output.
        nonlinearity: What the sum goes through.

    Attributes:
        layer: torch's module, of one layer, whose two biases are added.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Features of the state and of the output.")] = 128,
        nonlinearity: Annotated[Literal["tanh", "relu"], Field(description="What the sum goes through.")] = "tanh",
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.layer = nn.RNN(input_size, hidden_size, nonlinearity=nonlinearity)
        self.single_step = torch.rnn_tanh_cell if nonlinearity == "tanh" else torch.rnn_relu_cell

    def initial_state(self, batch_size: int) -> RNNState:
        """Make a state of zeros.

        Args:
            batch_size: Sequences in the batch.

        Returns:
            The state before the first step.
        """
        return RNNState(self.layer.all_weights[0][0].new_zeros(batch_size, self.hidden_size))

    def step(
        self, projected: Float[Tensor, "batch input"], state: RNNState
    ) -> tuple[Float[Tensor, "batch hidden"], RNNState]:
        """Advance by one step, as `torch.nn.RNNCell` does.

        Args:
            projected: One step of the inputs.
            state: The state before it.

        Returns:
            The output and the state after it.
        """
        hidden = self.single_step(projected, state.hidden, *self.layer.all_weights[0])
        return hidden, RNNState(hidden)

    def forward(
        self, inputs: Float[Tensor, "time batch input"], state: RNNState
    ) -> tuple[Float[Tensor, "time batch hidden"], RNNState]:
        """Read a whole sequence in one fused call.

        Args:
            inputs: The sequence.
            state: The state before its first step.

        Returns:
            The output of every step, and the state after the last.
        """
        # torch's state has an axis for its layers, and cuDNN takes it only in one piece.
        outputs, hidden = self.layer(inputs, state.hidden.contiguous().unsqueeze(0))
        # Under autocast torch may round the state; the next sequence goes on from float32 all the same.
        return outputs, RNNState(hidden.squeeze(0).to(state.hidden.dtype))

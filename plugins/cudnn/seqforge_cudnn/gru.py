"""The gated recurrent unit on torch's fused kernels."""

from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from seqforge.interfaces import Cell


class GRUState(NamedTuple):
    """A GRU's memory.

    Attributes:
        hidden: The last output.
    """

    hidden: Float[Tensor, "batch hidden"]


class GRU(Cell[GRUState]):
    """A gated recurrent unit (Cho et al. 2014) over `torch.nn.GRU`: cuDNN on a GPU, native code on a CPU.

    Its reset gate acts after the state's product.

    Args:
        input_size: Features a step reads.
        hidden_size: Features of the state, which is also the output.

    Attributes:
        layer: torch's module, of one layer, whose two biases are added, but for the candidate's.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Features of the state and of the output.")] = 128,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.layer = nn.GRU(input_size, hidden_size)

    def initial_state(self, batch_size: int) -> GRUState:
        """Make a state of zeros.

        Args:
            batch_size: Sequences in the batch.

        Returns:
            The state before the first step.
        """
        return GRUState(self.layer.all_weights[0][0].new_zeros(batch_size, self.hidden_size))

    def step(
        self, projected: Float[Tensor, "batch input"], state: GRUState
    ) -> tuple[Float[Tensor, "batch hidden"], GRUState]:
        """Advance by one step, as `torch.nn.GRUCell` does.

        Args:
            projected: One step of the inputs.
            state: The state before it.

        Returns:
            The output and the state after it.
        """
        hidden = torch.gru_cell(projected, state.hidden, *self.layer.all_weights[0])
        return hidden, GRUState(hidden)

    def forward(
        self, inputs: Float[Tensor, "time batch input"], state: GRUState
    ) -> tuple[Float[Tensor, "time batch hidden"], GRUState]:
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
        return outputs, GRUState(hidden.squeeze(0).to(state.hidden.dtype))

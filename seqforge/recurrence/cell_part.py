"""The pointwise part of a cell, as a sequence is read by it."""

from collections.abc import Callable
from typing import Any, cast

from torch import Tensor, nn


class CellPart(nn.Module):
    """A cell's `pointwise` on plain tensors: the products' type outside, the state's own inside.

    Args:
        cell: Has `pointwise`.
        dtype: Of the products.
        state_type: Makes a state of its tensors.
    """

    def __init__(self, cell: nn.Module, dtype: Any, state_type: Callable[..., tuple[Any, ...]]) -> None:
        super().__init__()
        self.cell = cell
        self.dtype = dtype
        self.state_type = state_type

    def forward(self, input_gates: Tensor, recurrent_gates: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Advance by one step.

        Args:
            input_gates: From the inputs.
            recurrent_gates: The product.
            tensors: The state.

        Returns:
            The output, what the next step multiplies, and the state after the step.
        """
        own = tensors[0].dtype
        pointwise = cast("Callable[..., tuple[Tensor, tuple[Tensor, ...]]]", self.cell.pointwise)
        output, state = pointwise(input_gates.to(own), recurrent_gates.to(own), self.state_type(*tensors))
        return output.to(self.dtype), state[0].to(self.dtype), *state

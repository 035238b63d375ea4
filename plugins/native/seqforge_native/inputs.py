"""What a kernel is given of a sequence's inputs."""

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from seqforge.cells import linear
from seqforge.interfaces import FactoredCell
from seqforge_native.layout import interleaved


def input_gates(
    cell: FactoredCell[Any],
    inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"],
    count: int,
    lanes: int,
) -> tuple[Float[Tensor, "*rows gates"], Int[Tensor, "time batch"] | None]:
    """Compute the inputs' side of the gates, in the kernels' order.

    Args:
        cell: Whose weights they are.
        inputs: The sequence.
        count: Gates of a hidden unit.
        lanes: Numbers in a register.

    Returns:
        The gates of every step; or, for symbols, those of every symbol, and the symbols.
    """
    weight = interleaved(cell.input_weight.t(), count, lanes)
    bias = interleaved(cell.bias, count, lanes)
    if inputs.is_floating_point():
        return linear(inputs, weight.t(), bias), None
    return weight + bias, inputs

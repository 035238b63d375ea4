"""The input of a cell beside its gates, for cells that add it to their state or output."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def with_inputs(
    gates: Float[Tensor, "time batch gates"],
    inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"],
    input_size: int,
) -> Float[Tensor, "time batch features"]:
    """Return the gates of all steps, and after them the inputs; a symbol stands for a unit vector."""
    vectors = inputs if inputs.is_floating_point() else functional.one_hot(inputs, input_size)
    return torch.cat([gates, vectors.to(gates.dtype)], dim=-1)

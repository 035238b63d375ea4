"""Products of whole sequences, in oneDNN if torch would use a slower library.

torch multiplies float32 matrices with the BLAS that it was built with, which on some processors is half as fast as
oneDNN. torch's oneDNN operator is private (inductor uses it), so its result is checked once; if the check fails, these
functions use torch's public operators.
"""

from functools import cache
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


def matrix_product(
    left: Float[Tensor, "rows depth"], right: Float[Tensor, "depth columns"]
) -> Float[Tensor, "rows columns"]:
    """Multiply two matrices of one type, in any layout, without gradients."""
    if left.dtype == torch.float32 and left.device.type == "cpu" and _onednn_multiplies():
        return _by_onednn(left, right.t(), None)
    return left @ right


def linear(
    inputs: Float[Tensor, "time batch input"],
    weight: Float[Tensor, "outputs input"],
    bias: Float[Tensor, " outputs"],
) -> Float[Tensor, "time batch outputs"]:
    """Compute W x + b, in autocast's type if autocast is on."""
    plain = all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in (inputs, weight, bias))
    if plain and not torch.is_autocast_enabled("cpu") and _onednn_multiplies():
        return cast("Tensor", cast("Any", _Linear).apply(inputs, weight, bias))
    return functional.linear(inputs, weight, bias)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return _by_onednn(inputs, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        inputs, weight = ctx.saved_tensors
        gradient: Tensor = gradients[0].flatten(0, -2)
        needed = ctx.needs_input_grad
        return (
            matrix_product(gradient, weight).view_as(inputs) if needed[0] else None,
            matrix_product(gradient.t(), inputs.flatten(0, -2)) if needed[1] else None,
            gradient.sum(0) if needed[2] else None,
        )


def _by_onednn(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return cast("Any", torch.ops.mkldnn)._linear_pointwise(rows, weight, bias, "none", [], "")


@cache
def _onednn_multiplies() -> bool:
    """Return whether oneDNN multiplies correctly, in both memory layouts."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(shape, generator=generator) for shape in ((40, 24), (40, 56)))
    bias = torch.randn(56, generator=generator)
    expected = left.t() @ right + bias
    try:
        found = _by_onednn(left.t(), right.t(), bias)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-4, atol=1e-4)

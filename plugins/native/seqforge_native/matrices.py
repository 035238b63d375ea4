"""Products of whole sequences, each in the fastest library.

torch multiplies float32 matrices with the BLAS that it was built with, which on some processors is half as fast as
oneDNN. torch's oneDNN operator is private (inductor uses it), so its result is checked once; if the check fails, these
functions use torch's public operators. Gradients of weights in bfloat16 have a kernel of their own.
"""

from functools import cache
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from seqforge_native.library import best_library


def gradient_of_weight(
    gradients: Float[Tensor, "rows outputs"], inputs: Float[Tensor, "rows inputs"]
) -> Float[Tensor, "outputs inputs"]:
    """Return the gradient of a weight: the sum over all rows of gradient times input.

    The result of the kernel is in float32; that of torch has the type of the arguments.
    """
    library, dtype = best_library(), gradients.dtype
    if library is not None and ("weight_gradient", dtype) in library.functions and inputs.dtype == dtype:
        (rows, height), width = gradients.shape, inputs.shape[1]
        if height % library.lanes == 0 and width % library.lanes == 0:
            result = torch.empty(height, width)
            vectors = (height // library.lanes, width // library.lanes)
            left, right = gradients.contiguous(), inputs.contiguous()
            library.call("weight_gradient", dtype, left, right, rows, *vectors, torch.get_num_threads(), result)
            return result
    return matrix_product(gradients.t(), inputs)


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
    if not all(tensor.device.type == "cpu" for tensor in (inputs, weight, bias)):
        return functional.linear(inputs, weight, bias)
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else inputs.dtype
    return cast("Tensor", cast("Any", _Linear).apply(inputs, weight, bias, dtype))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
        inputs, weight, bias = inputs.to(dtype), weight.to(dtype), bias.to(dtype)
        ctx.save_for_backward(inputs, weight)
        if dtype == torch.float32 and _onednn_multiplies():
            return _by_onednn(inputs, weight, bias)
        with torch.autocast("cpu", enabled=False):
            return functional.linear(inputs, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        inputs, weight = ctx.saved_tensors
        gradient: Tensor = gradients[0].flatten(0, -2)
        needed = ctx.needs_input_grad
        return (
            matrix_product(gradient, weight).view_as(inputs) if needed[0] else None,
            gradient_of_weight(gradient, inputs.flatten(0, -2)) if needed[1] else None,
            gradient.sum(0) if needed[2] else None,
            None,
        )


def _by_onednn(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    # oneDNN has no fast kernel for a weight with gaps in memory, such as outputs without their padding: its reference
    # implementation takes 1,000 times as long.
    if not weight.is_contiguous() and not weight.t().is_contiguous():
        weight = weight.contiguous()
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

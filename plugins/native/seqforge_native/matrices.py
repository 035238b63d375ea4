"""Products of whole sequences, each in the fastest library.

torch multiplies float32 matrices with the BLAS that it was built with, which on some processors is half as fast as
oneDNN. torch's oneDNN operator is private (inductor uses it), so its result is checked once; if the check fails, these
functions use torch's public operators. Products in bfloat16 have kernels of their own.
"""

from functools import cache
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from seqforge_native.library import best_library


def weight_and_bias_gradients(
    gradients: Float[Tensor, "rows outputs"], inputs: Float[Tensor, "rows inputs"]
) -> tuple[Float[Tensor, "outputs inputs"], Float[Tensor, " outputs"]]:
    """Return the sums over all rows of gradient times input, and of the gradients.

    The results of the kernel are in float32; those of torch have the type of the arguments.
    """
    library, dtype = best_library(), gradients.dtype
    (rows, height), width = gradients.shape, inputs.shape[1]
    has_kernel = library is not None and ("weight_and_bias_gradients", dtype) in library.functions
    if library is None or not has_kernel or inputs.dtype != dtype or height % library.lanes or width % library.lanes:
        return matrix_product(gradients.t(), inputs), gradients.sum(0)
    of_weight, of_bias = torch.empty(height, width), torch.empty(height)
    vectors, threads = (height // library.lanes, width // library.lanes), torch.get_num_threads()
    left, right = gradients.contiguous(), inputs.contiguous()
    library.call("weight_and_bias_gradients", dtype, left, right, rows, *vectors, threads, of_weight, of_bias)
    return of_weight, of_bias


def matrix_product(
    left: Float[Tensor, "rows depth"], right: Float[Tensor, "depth columns"]
) -> Float[Tensor, "rows columns"]:
    """Multiply two matrices of one type, in any layout, without gradients."""
    # oneDNN has no product of depth 0, such as the gradient of a weight for a batch without rows.
    if left.shape[1] and left.dtype == torch.float32 and left.device.type == "cpu" and _onednn_multiplies():
        return _by_onednn(left, right.t(), None)
    return left @ right


def linear(
    inputs: Float[Tensor, "*rows input"],
    weight: Float[Tensor, "outputs input"],
    bias: Float[Tensor, " outputs"],
    result: torch.dtype | None = None,
) -> Float[Tensor, "*rows outputs"]:
    """Compute W x + b, in autocast's type if autocast is on. The result has the type of the products by default."""
    # A kernel receives only addresses. torch raises an error if the sizes do not fit.
    sizes_fit = inputs.shape[-1:] == weight.shape[1:] and bias.shape == weight.shape[:1]
    if not sizes_fit or not all(tensor.device.type == "cpu" for tensor in (inputs, weight, bias)):
        return functional.linear(inputs, weight, bias)
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else inputs.dtype
    return cast("Tensor", cast("Any", _Linear).apply(inputs, weight, bias, dtype, result or dtype))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype, result: torch.dtype
    ) -> Tensor:
        inputs = inputs.to(dtype)
        ctx.save_for_backward(inputs, weight)
        by_kernel = _product_by_kernel(inputs, weight.t(), bias, result)
        if by_kernel is not None:
            return by_kernel
        weight, bias = weight.to(dtype), bias.to(dtype)
        if dtype == torch.float32 and _onednn_multiplies():
            return _by_onednn(inputs, weight, bias).to(result)
        with torch.autocast("cpu", enabled=False):
            return functional.linear(inputs, weight, bias).to(result)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        inputs, weight = ctx.saved_tensors
        rows: Tensor = inputs.flatten(0, -2)
        gradient: Tensor = _rounded(gradients[0].flatten(0, -2), rows.dtype)
        wants_input, wants_weight, wants_bias, *_ = ctx.needs_input_grad
        outputs = len(weight)
        input_gradient = weight_gradient = bias_gradient = None
        if wants_input:
            input_gradient = _product_by_kernel(gradient, weight, None, gradient.dtype)
            if input_gradient is None:
                input_gradient = matrix_product(gradient[:, :outputs], weight.to(gradient.dtype))
            input_gradient = input_gradient.view_as(inputs)
        if wants_weight:
            weight_gradient, bias_gradient = weight_and_bias_gradients(gradient, rows)
            weight_gradient, bias_gradient = weight_gradient[:outputs], bias_gradient[:outputs]
        elif wants_bias:
            bias_gradient = gradient[:, :outputs].sum(0)
        return input_gradient, weight_gradient, bias_gradient, None, None


def _rounded(gradient: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a gradient in the type of the products; if that changes the type, padded with zeros for the kernels."""
    library, missing = best_library(), 0
    if library is not None and gradient.dtype != dtype:
        missing = -gradient.shape[1] % library.lanes
    if not missing:
        return gradient.to(dtype)
    padded = gradient.new_zeros(len(gradient), gradient.shape[1] + missing, dtype=dtype)
    padded[:, :-missing] = gradient
    return padded


def _product_by_kernel(
    inputs: Float[Tensor, "*rows depth"],
    weight: Float[Tensor, "weight_depth columns"],
    bias: Float[Tensor, " columns"] | None,
    result: torch.dtype,
) -> Float[Tensor, "*rows columns"] | None:
    """Return inputs times weight plus bias, or None if no kernel can compute it.

    The inputs have the type of the products. Their columns beyond the depth of the weight are zero.
    """
    library, dtype, columns = best_library(), inputs.dtype, weight.shape[1]
    name = "linear_to_float32" if result == torch.float32 else "linear"
    if library is None or (name, dtype) not in library.functions or result not in (dtype, torch.float32):
        return None
    depth, strides = inputs.shape[-1], weight.stride()
    if depth % library.lanes or depth - weight.shape[0] >= library.lanes or weight.dtype != torch.float32:
        return None
    if 1 not in strides:
        return None
    transposed, threads = int(strides[0] == 1), torch.get_num_threads()
    width = columns + -columns % library.lanes
    packed = torch.empty(width, depth, dtype=dtype)
    library.call(
        "pack_matrix", dtype, weight, weight.shape[0], columns, strides[transposed], transposed, threads, packed
    )
    bias = None if bias is None else functional.pad(bias.float(), (0, width - columns))
    rows, products = inputs.contiguous(), torch.empty(*inputs.shape[:-1], columns, dtype=result)
    library.call(name, dtype, rows, packed, bias, rows.numel() // depth, depth, columns, threads, products)
    return products


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

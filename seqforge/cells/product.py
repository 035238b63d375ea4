"""A product with the same weight on every step: cast and packed once a sequence.

oneDNN multiplies faster by a weight that lies as it likes it. torch's operators for that are private (inductor calls
them), so that they are tried first, on the very shapes, and anything amiss leads back to the ordinary product.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

Product = Callable[[Tensor], Tensor]
"""Maps rows `[batch, in]` to `[batch, out]`."""

_PACKED_TYPES = (torch.float32, torch.bfloat16)


def recurrent_product(weight: Float[Tensor, "out in"], dtype: torch.dtype, batch_size: int) -> Product:
    """Prepare x ↦ x Wᵀ.

    Args:
        weight: W; no gradient flows to it.
        dtype: Of the product.
        batch_size: Rows that each x will have.

    Returns:
        The product, of tensors `[batch, in]` of that type.
    """
    weight = weight.detach().to(dtype)
    if weight.device.type == "cpu" and dtype in _PACKED_TYPES and _can_pack(*weight.shape, batch_size, dtype):
        return _packed_product(weight.contiguous(), batch_size)
    transposed = weight.t()
    return lambda rows: torch.mm(rows, transposed)


def _packed_product(weight: Tensor, batch_size: int) -> Product:
    operators = cast("Any", torch.ops.mkldnn)
    packed = operators._reorder_linear_weight(weight, batch_size)
    multiply = operators._linear_pointwise
    return lambda rows: multiply(rows, packed, None, "none", [], "")


@cache
def _can_pack(outputs: int, inputs: int, batch_size: int, dtype: torch.dtype) -> bool:
    """Try a product of these sizes both ways."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(outputs, inputs, generator=generator).to(dtype)
    rows = torch.randn(batch_size, inputs, generator=generator).to(dtype)
    try:
        packed = _packed_product(weight, batch_size)(rows)
    except (AttributeError, RuntimeError, TypeError):
        return False
    expected = rows.float() @ weight.float().t()
    # A sum's rounding grows with the root of its length; a wrong layout would be off by about the sum itself.
    tolerance = 0.05 if dtype == torch.bfloat16 else 1e-4
    return packed.shape == expected.shape and bool(
        ((packed.float() - expected).abs() <= tolerance * (inputs**0.5 + expected.abs())).all()
    )


def embed_rows(
    table: Float[Tensor, "symbols features"], symbols: Int[Tensor, "*batch"], dtype: torch.dtype
) -> Float[Tensor, "*batch features"]:
    """Look rows up, rounded to a type; their gradients are summed in the table's own.

    Args:
        table: One row a symbol.
        symbols: Which rows.
        dtype: Of the result.
    """
    if dtype == table.dtype:
        return functional.embedding(symbols, table)
    return cast("Tensor", cast("Any", _Rows).apply(table, symbols, dtype))


class _Rows(torch.autograd.Function):
    # The table is rounded, and not the rows: it is the smaller by far, and so is what is then read and written.
    @staticmethod
    def forward(ctx: Any, table: Tensor, symbols: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(symbols)
        ctx.shape, ctx.dtype = table.shape, table.dtype
        return functional.embedding(symbols, table.to(dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        (symbols,) = ctx.saved_tensors
        rows: Tensor = gradients[0].to(ctx.dtype)
        table = rows.new_zeros(ctx.shape).index_add_(0, symbols.flatten(), rows.flatten(0, -2))
        return table, None, None

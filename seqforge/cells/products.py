"""The type of the matrix products, and the product with unit vectors."""

from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


def product_dtype(weight: Tensor) -> torch.dtype:
    """Return the type of a weight's products: autocast's, if it is on, else the weight's own.

    Args:
        weight: Weight of a product. float64 stays float64 under autocast.
    """
    device = weight.device.type
    if weight.dtype != torch.float64 and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return weight.dtype


def embed_rows(
    table: Float[Tensor, "symbols features"], symbols: Int[Tensor, "*batch"], dtype: torch.dtype
) -> Float[Tensor, "*batch features"]:
    """Return rows of a table, rounded to a type; their gradients are summed in the table's own type.

    Args:
        table: One row for each symbol.
        symbols: Rows to return.
        dtype: Type of the result.
    """
    if dtype == table.dtype:
        return functional.embedding(symbols, table)
    return cast("Tensor", cast("Any", _Rows).apply(table, symbols, dtype))


class _Rows(torch.autograd.Function):
    # The table is rounded rather than the rows: it is far smaller.
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

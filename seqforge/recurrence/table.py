"""The product with unit vectors: rows of a table."""

from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


def rows_of(
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

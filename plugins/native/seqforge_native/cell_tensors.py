"""The tensors of a cell that kernels read: its weights, and the parameters and buffers of its elementwise part."""

from typing import Any, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor

from seqforge.kinds import Cell, ElementwiseCell, FactoredCell, ProjectedCell

RECURRENT_MATRIX = "recurrent_matrix"
"""Name in `weights_of` of the weight of the product U h."""


def why_not_elementwise(cell: Cell[Any]) -> str | None:
    """Explain why the step of a cell is not its `pointwise` with at most one product, or return None if it is."""
    name = type(cell).__name__
    if not isinstance(cell, FactoredCell | ElementwiseCell):
        return f"{name} is neither a FactoredCell nor an ElementwiseCell, so that its step may contain any operations"
    base = FactoredCell if isinstance(cell, FactoredCell) else ElementwiseCell
    # A cell that overrides `step` and states its equations computes what a built-in kernel computes.
    stated = isinstance(cell, FactoredCell) and cell.equations is not None
    if not stated and type(cell).step is not base.step:
        return f"{name} overrides `step`, so that its step may be more than one product and `pointwise`"
    return None


def further_tensors(cell: Cell[Any]) -> dict[str, Tensor]:
    """Return the parameters and buffers that the elementwise part may read, by name: one row of numbers or more."""
    named, outer = {**dict(cell.named_parameters()), **dict(cell.named_buffers())}, _outer_parameters(cell)
    return {
        name: value
        for name, value in named.items()
        if name not in outer and _is_row(value) and value.numel() % cell.hidden_size == 0
    }


def weights_of(cell: Cell[Any], *, by_head: bool = False) -> dict[str, Tensor]:
    """Return the weights `[hidden or a multiple, hidden]` that a step may multiply by, by name.

    If the step is `FactoredCell.step`, the first is the result of `recurrent_matrix`, or with `by_head` only its blocks
    that are not zero.
    """
    width, outer = cell.hidden_size, _outer_parameters(cell)
    weights: dict[str, Tensor] = {
        name: value
        for name, value in cell.named_parameters()
        if name not in outer and value.ndim == 2 and value.shape[1] == width and not len(value) % width
    }
    if not _has_plain_product(cell):
        return weights
    blocks = by_head and heads_of(cell) > 1
    return {RECURRENT_MATRIX: cell.recurrent_weight if blocks else cell.recurrent_matrix(), **weights}


def heads_of(cell: Cell[Any]) -> int:
    """Return the number of groups of hidden units that do not depend on each other by the recurrent product."""
    if not isinstance(cell, FactoredCell) or type(cell).recurrent_matrix is not FactoredCell.recurrent_matrix:
        return 1
    return cell.heads


def _has_plain_product(cell: Cell[Any]) -> TypeGuard[FactoredCell[Any]]:
    return isinstance(cell, FactoredCell) and why_not_elementwise(cell) is None


def _outer_parameters(cell: Cell[Any]) -> tuple[str, ...]:
    """Return the names of the parameters that only the products outside of the elementwise part use."""
    if not isinstance(cell, ProjectedCell) or why_not_elementwise(cell) is not None:
        return ()
    return cell.product_parameters


def _is_row(value: Tensor) -> bool:
    return value.ndim > 0 and 0 < value.shape[-1] == value.numel()


def stacked_parameters(cell: Cell[Any]) -> Float[Tensor, "rows hidden"]:
    """Return the parameters and buffers that the elementwise part may read, as rows of hidden units."""
    rows = [value.reshape(-1, cell.hidden_size) for value in further_tensors(cell).values()]
    return torch.cat([row.float() for row in rows]) if rows else torch.zeros(0, cell.hidden_size)

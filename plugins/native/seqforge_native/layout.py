"""The layout of the kernels: for each register of hidden units, one register per gate.

`lanes` is the size of a register in numbers, and `count` the number of gates of a hidden unit.
"""

from typing import Any, TypeGuard

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seqforge.interfaces import Cell, ElementwiseCell, FactoredCell, ProjectedCell
from seqforge_native.matrices import linear


def registers(numbers: int, lanes: int) -> int:
    """Return how many registers hold some numbers; the last may be partly empty."""
    return -(-numbers // lanes)


def padded(units: Float[Tensor, "*rows hidden"], lanes: int) -> Float[Tensor, "*rows padded"]:
    """Pad the last axis with zeros to whole registers."""
    missing = -units.shape[-1] % lanes
    return functional.pad(units, (0, missing)) if missing else units


def interleaved(gates: Float[Tensor, "*rows gates"], count: int, lanes: int) -> Float[Tensor, "*rows padded_gates"]:
    """Reorder gates from the order of the parameters, gate by gate, to that of the kernels."""
    rows = gates.shape[:-1]
    by_gate = padded(gates.reshape(*rows, count, -1), lanes)
    return by_gate.reshape(*rows, count, -1, lanes).transpose(-3, -2).reshape(*rows, -1)


def interleaved_rows(
    rows: Float[Tensor, "gates columns"], count: int, lanes: int
) -> Float[Tensor, "padded_gates columns"]:
    """Reorder rows, one per gate, from the order of the parameters to that of the kernels."""
    columns = rows.shape[-1]
    by_gate = rows.reshape(count, -1, columns)
    missing = -by_gate.shape[1] % lanes
    by_gate = functional.pad(by_gate, (0, 0, 0, missing)) if missing else by_gate
    return by_gate.reshape(count, -1, lanes, columns).transpose(0, 1).reshape(-1, columns)


def separated(
    rows: Float[Tensor, "padded_gates columns"], count: int, hidden_size: int, lanes: int
) -> Float[Tensor, "gates columns"]:
    """Reorder rows, one per gate, from the order of the kernels to that of the parameters."""
    columns = rows.shape[-1]
    by_gate = rows.reshape(-1, count, lanes, columns).transpose(0, 1).reshape(count, -1, columns)
    return by_gate[:, :hidden_size].reshape(-1, columns)


def input_gates(
    weight: Float[Tensor, "gates input"],
    bias: Float[Tensor, " gates"] | None,
    inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"],
    count: int,
    lanes: int,
) -> tuple[Float[Tensor, "*rows padded_gates"], Int[Tensor, "time batch"] | None]:
    """Return W x + b in the order of the kernels.

    Returns:
        For vectors, the gates of every step, and None. For symbols, the gates of every symbol, and the inputs.
    """
    # Whole rows are copied. A copy that transposes at the same time takes 20 to 40 times as long for a large weight.
    weight = interleaved_rows(weight, count, lanes)
    bias = weight.new_zeros(len(weight)) if bias is None else interleaved(bias, count, lanes)
    return (linear(inputs, weight, bias), None) if inputs.is_floating_point() else (weight.t() + bias, inputs)


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


RECURRENT_MATRIX = "recurrent_matrix"


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

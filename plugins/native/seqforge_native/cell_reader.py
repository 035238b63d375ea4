"""The tensors of a cell that kernels read, and the reading of a sequence by a cell, one head after another."""

from typing import Any, TypeGuard, cast

import torch
from jaxtyping import Float
from torch import Tensor

from seqforge.cells import require_steps
from seqforge.kinds import Cell, ElementwiseCell, FactoredCell, ProjectedCell
from seqforge_native.layout import input_gates, interleaved, padded
from seqforge_native.sequence import Kernel, SequenceKernel, read_sequence

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


def read_cell(cell: Cell[Any], kernel: Kernel, dtype: torch.dtype, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Return the outputs of all steps and the state after the last step, with products in a type.

    Hidden units of different heads do not depend on each other, so each head is read as a cell of its own.

    Raises:
        ValueError: If the sequence has no steps, or the state or the projected inputs have another shape, type or
            device than the kernel reads.
    """
    require_steps(inputs)
    for part in cast("tuple[Tensor, ...]", state):
        _check("a state", part, (inputs.shape[1], cell.hidden_size))
        if part.dtype != torch.float32:
            raise ValueError(f"a state in {str(part.dtype).removeprefix('torch.')}; it must be in float32")
    lanes, count, heads = kernel.library.lanes, kernel.gates, heads_of(cell)
    width = cell.hidden_size // heads
    weights = list(weights_of(cell, by_head=True).values())
    if isinstance(kernel, SequenceKernel):
        weights = weights[:1] if isinstance(cell, FactoredCell) else []
    plain = isinstance(cell, ProjectedCell) and type(cell).project is ProjectedCell.project
    projected = None if plain else cell.project(inputs)
    if projected is not None:
        _check("projected inputs", projected, (*inputs.shape[:2], count * cell.hidden_size))
    parameters = stacked_parameters(cell)
    outputs: list[Tensor] = []
    states: list[tuple[Tensor, ...]] = []
    for head in range(heads):
        if projected is None:
            source = cast("ProjectedCell[Any]", cell)
            bias = None if source.bias is None else _head_rows(source.bias, head, heads, width)
            gates, symbols = input_gates(
                _head_rows(source.input_weight, head, heads, width), bias, inputs, count, lanes
            )
        else:
            gates, symbols = interleaved(_head_columns(projected, head, heads, width), count, lanes), None
        own_weights = [_head_rows(weight, head, heads, width) for weight in weights]
        own_parameters = padded(_head_columns(parameters, head, heads, width), lanes)
        own_state = tuple(padded(_head_columns(part, head, heads, width), lanes) for part in state)
        output, after = read_sequence(kernel, dtype, gates, symbols, own_weights, width, own_parameters, own_state)
        outputs.append(output[..., :width])
        states.append(tuple(part[:, :width] for part in after))
    if heads == 1:
        return outputs[0], type(state)(*states[0])
    return torch.cat(outputs, -1), type(state)(*(torch.cat(parts, -1) for parts in zip(*states, strict=True)))


def _check(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Raise an error if a tensor, of which a kernel receives only the address, has another shape or device."""
    if tensor.shape != shape or tensor.device.type != "cpu":
        found = f"the shape {tuple(tensor.shape)} on {tensor.device.type}"
        raise ValueError(f"{name} of {found}; with this cell and these inputs, it must be {shape} on cpu")


def _head_rows(tensor: Tensor, head: int, heads: int, width: int) -> Tensor:
    """Return the rows of one head of a tensor that has rows for one or more numbers of each hidden unit."""
    if heads == 1:
        return tensor
    return tensor.reshape(-1, heads, width, *tensor.shape[1:])[:, head].flatten(0, 1)


def _head_columns(tensor: Tensor, head: int, heads: int, width: int) -> Tensor:
    """Return the columns of one head, on the last axis."""
    if heads == 1:
        return tensor
    count = tensor.shape[-1] // (heads * width)
    return tensor.reshape(*tensor.shape[:-1], count, heads, width)[..., head, :].flatten(-2)

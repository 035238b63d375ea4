"""The reading of a sequence by a cell on a kernel, one head after another."""

from typing import Any, cast

import torch
from torch import Tensor

from seqforge.cells import require_steps
from seqforge.kinds import Cell, FactoredCell, ProjectedCell
from seqforge_native.cell_tensors import heads_of, stacked_parameters, weights_of
from seqforge_native.layout import input_gates, interleaved, padded
from seqforge_native.sequence import Kernel, SequenceKernel, read_sequence


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

"""RNN, GRU and LSTM on the kernels that are built for them."""

from typing import Any, cast

import torch
from torch import Tensor

from seqforge.cells import require_steps
from seqforge.kinds import Cell, FactoredCell, ProjectedCell
from seqforge_native.layout import input_gates, interleaved, padded
from seqforge_native.sequence import SequenceKernel, read_sequence


def read_built_in(
    cell: Cell[Any], kernel: SequenceKernel, dtype: torch.dtype, inputs: Tensor, state: Any
) -> tuple[Tensor, Any]:
    """Return the outputs of all steps and the state after the last step, with products in a type.

    Raises:
        ValueError: If the sequence has no steps, or the state or the projected inputs have another shape, type or
            device than the kernel reads.
    """
    require_steps(inputs)
    for part in cast("tuple[Tensor, ...]", state):
        check_state(part, (inputs.shape[1], cell.hidden_size))
    lanes, factored = kernel.library.lanes, cast("FactoredCell[Any]", cell)
    if type(cell).project is ProjectedCell.project:
        gates, symbols = input_gates(factored.input_weight, factored.bias, inputs, kernel.gates, lanes)
    else:
        projected = cell.project(inputs)
        check_layout("projected inputs", projected, (*inputs.shape[:2], kernel.gates * cell.hidden_size))
        gates, symbols = interleaved(projected, kernel.gates, lanes), None
    own_state = tuple(padded(part, lanes) for part in state)
    weight, bias = factored.recurrent_matrix(), getattr(cell, "recurrent_bias", None)
    own_bias = None if bias is None else padded(bias, lanes).contiguous()
    outputs, after = read_sequence(kernel, dtype, gates, symbols, weight, own_bias, cell.hidden_size, own_state)
    return outputs[..., : cell.hidden_size], type(state)(*(part[:, : cell.hidden_size] for part in after))


def check_state(part: Tensor, shape: tuple[int, ...]) -> None:
    """Raise a ValueError if a part of a state has another shape, type or device than the kernels read."""
    check_layout("a state", part, shape)
    if part.dtype != torch.float32:
        raise ValueError(f"a state in {str(part.dtype).removeprefix('torch.')}; it must be in float32")


def check_layout(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Raise a ValueError if a tensor, of which a kernel receives only the address, has another shape or device."""
    if tensor.shape != shape or tensor.device.type != "cpu":
        found = f"the shape {tuple(tensor.shape)} on {tensor.device.type}"
        raise ValueError(f"{name} of {found}; with this cell and these inputs, it must be {shape} on cpu")

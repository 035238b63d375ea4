"""The layout of the kernels: for each register of hidden units, one register per gate.

`lanes` is the size of a register in numbers, and `count` the number of gates of a hidden unit.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seqforge.cells import FACTORS
from seqforge.interfaces import Cell, FactoredCell
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


def separated(
    rows: Float[Tensor, "padded_gates columns"], count: int, hidden_size: int, lanes: int
) -> Float[Tensor, "gates columns"]:
    """Reorder rows, one per gate, from the order of the kernels to that of the parameters."""
    columns = rows.shape[-1]
    by_gate = rows.reshape(-1, count, lanes, columns).transpose(0, 1).reshape(count, -1, columns)
    return by_gate[:, :hidden_size].reshape(-1, columns)


def input_gates(
    cell: FactoredCell[Any],
    inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"],
    count: int,
    lanes: int,
) -> tuple[Float[Tensor, "*rows gates"], Int[Tensor, "time batch"] | None]:
    """Return W x + b in the order of the kernels.

    Returns:
        For vectors, the gates of every step, and None. For symbols, the gates of every symbol, and the inputs.
    """
    weight = interleaved(cell.input_weight.t(), count, lanes)
    bias = interleaved(cell.bias, count, lanes)
    if inputs.is_floating_point():
        return linear(inputs, weight.t(), bias), None
    return weight + bias, inputs


def why_not_elementwise(cell: Cell[Any]) -> str | None:
    """Explain why the step of a cell is not one product and its `pointwise`, or return None if it is."""
    if not isinstance(cell, FactoredCell):
        return f"{type(cell).__name__} is not a FactoredCell: its step is not one product and an elementwise part"
    # A cell that overrides `step` and states its equations computes what a built-in kernel computes.
    if cell.equations is None and type(cell).step is not FactoredCell.step:
        return f"{type(cell).__name__} overrides `step`, so that its step may be more than one product and `pointwise`"
    return None


def further_parameters(cell: FactoredCell[Any]) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters that the elementwise part reads, with their names."""
    return [(name, value) for name, value in cell.named_parameters() if name not in FACTORS]


def stacked_parameters(cell: FactoredCell[Any]) -> Float[Tensor, "rows hidden"]:
    """Return the parameters that the elementwise part reads, as rows of hidden units."""
    rows = [value.reshape(-1, cell.hidden_size) for _, value in further_parameters(cell)]
    return torch.cat(rows) if rows else cell.bias.new_zeros(0, cell.hidden_size)

"""The kernels' order of gates: for each register of hidden units, one register per gate."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seqforge.cells import FACTORS
from seqforge.interfaces import FactoredCell
from seqforge_native.matrices import linear


def registers(numbers: int, lanes: int) -> int:
    """Return the number of registers that hold some numbers; the last may be partly empty.

    Args:
        numbers: Count of numbers.
        lanes: Numbers in a register.
    """
    return -(-numbers // lanes)


def padded(units: Float[Tensor, "*rows hidden"], lanes: int) -> Float[Tensor, "*rows padded"]:
    """Pad the last register with zeros.

    Args:
        units: Numbers of hidden units.
        lanes: Numbers in a register.
    """
    missing = -units.shape[-1] % lanes
    return functional.pad(units, (0, missing)) if missing else units


def interleaved(gates: Float[Tensor, "*rows gates"], count: int, lanes: int) -> Float[Tensor, "*rows padded_gates"]:
    """Return gates in the kernels' order, from the order of the parameters, gate by gate.

    Args:
        gates: Gates of all hidden units, gate by gate.
        count: Gates of a unit.
        lanes: Numbers in a register.
    """
    rows = gates.shape[:-1]
    by_gate = padded(gates.reshape(*rows, count, -1), lanes)
    return by_gate.reshape(*rows, count, -1, lanes).transpose(-3, -2).reshape(*rows, -1)


def separated(
    rows: Float[Tensor, "padded_gates columns"], count: int, hidden_size: int, lanes: int
) -> Float[Tensor, "gates columns"]:
    """Return rows, one per gate, in the order of the parameters, from the kernels' order.

    Args:
        rows: Rows in the kernels' order.
        count: Gates of a unit.
        hidden_size: Number of hidden units.
        lanes: Numbers in a register.
    """
    columns = rows.shape[-1]
    by_gate = rows.reshape(-1, count, lanes, columns).transpose(0, 1).reshape(count, -1, columns)
    return by_gate[:, :hidden_size].reshape(-1, columns)


def input_gates(
    cell: FactoredCell[Any],
    inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"],
    count: int,
    lanes: int,
) -> tuple[Float[Tensor, "*rows gates"], Int[Tensor, "time batch"] | None]:
    """Return W x + b in the kernels' order.

    Args:
        cell: Cell that owns W and b.
        inputs: Vectors or symbols of the sequence.
        count: Gates of a hidden unit.
        lanes: Numbers in a register.

    Returns:
        The gates of every step, and None; or, for symbols, the gates of every symbol, and the symbols.
    """
    weight = interleaved(cell.input_weight.t(), count, lanes)
    bias = interleaved(cell.bias, count, lanes)
    if inputs.is_floating_point():
        return linear(inputs, weight.t(), bias), None
    return weight + bias, inputs


def is_elementwise(cell: FactoredCell[Any]) -> bool:
    """Return whether a cell's step is its product and its `pointwise`, and nothing else.

    Args:
        cell: Cell of any class; one that overrides `step` has to state its equations.
    """
    return cell.equations is not None or type(cell).step is FactoredCell.step


def further_parameters(cell: FactoredCell[Any]) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters that the elementwise part reads, by name.

    Args:
        cell: Cell that owns them.
    """
    return [(name, value) for name, value in cell.named_parameters() if name not in FACTORS]


def stacked_parameters(cell: FactoredCell[Any]) -> Float[Tensor, "rows hidden"]:
    """Return the parameters that the elementwise part reads, as rows of hidden units.

    Args:
        cell: Cell that owns them.
    """
    rows = [value.reshape(-1, cell.hidden_size) for _, value in further_parameters(cell)]
    return torch.cat(rows) if rows else cell.bias.new_zeros(0, cell.hidden_size)

"""The layout of the kernels: for each register of hidden units, one register per gate.

`lanes` is the size of a register in numbers, and `count` the number of gates of a hidden unit. An `axis` is negative.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seqforge_native.matrices import linear


def registers(numbers: int, lanes: int) -> int:
    """Return how many registers hold some numbers; the last may be partly empty."""
    return -(-numbers // lanes)


def padded(units: Float[Tensor, "..."], lanes: int, axis: int = -1) -> Float[Tensor, "..."]:
    """Pad an axis of hidden units with zeros to whole registers."""
    missing = -units.shape[axis] % lanes
    return functional.pad(units, (0, 0) * (-axis - 1) + (0, missing)) if missing else units


def interleaved(gates: Float[Tensor, "..."], count: int, lanes: int, axis: int = -1) -> Float[Tensor, "..."]:
    """Reorder an axis of gates from the order of the parameters, gate by gate, to that of the kernels."""
    by_gate = padded(torch.unflatten(gates, axis, (count, -1)), lanes, axis)
    by_register = torch.unflatten(by_gate, axis, (-1, lanes)).transpose(axis - 2, axis - 1)
    return by_register.flatten(axis - 2, axis)


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
    weight = interleaved(weight, count, lanes, axis=-2)
    bias = weight.new_zeros(len(weight)) if bias is None else interleaved(bias, count, lanes)
    return (linear(inputs, weight, bias), None) if inputs.is_floating_point() else (weight.t() + bias, inputs)

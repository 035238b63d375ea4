"""The layout of the kernels: for each register of hidden units, one register per gate.

`lanes` is the size of a register in numbers, and `count` the number of gates of a hidden unit.
"""

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

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

"""The kernels' order of gates: for each register of hidden units, one register a gate."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def registers(numbers: int, lanes: int) -> int:
    """Count the registers that hold some numbers; the last may be part empty.

    Args:
        numbers: How many.
        lanes: Numbers in a register.
    """
    return -(-numbers // lanes)


def padded(units: Float[Tensor, "*rows hidden"], lanes: int) -> Float[Tensor, "*rows padded"]:
    """Fill the last register with zeros.

    Args:
        units: Numbers of hidden units.
        lanes: Numbers in a register.
    """
    missing = -units.shape[-1] % lanes
    return functional.pad(units, (0, missing)) if missing else units


def interleaved(gates: Float[Tensor, "*rows gates"], count: int, lanes: int) -> Float[Tensor, "*rows padded_gates"]:
    """Bring gates from the order of the parameters, gate by gate, into the kernels'.

    Args:
        gates: Of all hidden units, gate by gate.
        count: Gates of a unit.
        lanes: Numbers in a register.
    """
    rows = gates.shape[:-1]
    by_gate = padded(gates.reshape(*rows, count, -1), lanes)
    return by_gate.reshape(*rows, count, -1, lanes).transpose(-3, -2).reshape(*rows, -1)


def separated(rows: Float[Tensor, "padded_gates columns"], count: int, hidden_size: int, lanes: int) -> Tensor:
    """Bring rows, one a gate, from the kernels' order into that of the parameters.

    Args:
        rows: In the kernels' order.
        count: Gates of a unit.
        hidden_size: Hidden units.
        lanes: Numbers in a register.

    Returns:
        `[count * hidden, columns]`.
    """
    columns = rows.shape[-1]
    by_gate = rows.reshape(-1, count, lanes, columns).transpose(0, 1).reshape(count, -1, columns)
    return by_gate[:, :hidden_size].reshape(-1, columns)

"""Tensors of a traced cell, as the nodes of one hidden unit, and the arithmetic on them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from seqforge_native.traced.expression import Graph, Node

Rows = Literal["each", "shared", "summed"]


class UntraceableError(Exception):
    """A kernel cannot compute a cell; the message names the part that it cannot compute."""


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor whose last axis has one or more numbers for each hidden unit.

    Attributes:
        parts: Nodes of a hidden unit. Part k stands for the k-th block of hidden units on the last axis.
        rows: "each" if every row of the batch has its own numbers; "shared" if all rows have the same; "summed" for the
            sum of the nodes over the rows.
    """

    parts: tuple[Node, ...]
    rows: Rows = "each"

    def slice(self, start: int, stop: int) -> "Value":
        """Return the parts from `start` to before `stop`."""
        return Value(self.parts[start:stop], self.rows)


def joined(values: Sequence[Value]) -> Value:
    """Concatenate at least one value along the last axis."""
    return Value(tuple(part for value in values for part in value.parts), _common_rows("cat", values))


class Arithmetic:
    """Elementwise operations on values; every method raises `UntraceableError` for what a kernel cannot compute.

    Args:
        graph: Graph that receives the nodes.
        hidden_size: Number of hidden units.
    """

    def __init__(self, graph: Graph, hidden_size: int) -> None:
        self._graph = graph
        self._hidden_size = hidden_size

    def number(self, value: Value | float | int) -> Value:
        """Return a value as it is, or a finite number as a constant value."""
        if isinstance(value, Value):
            return value
        if not math.isfinite(value):
            raise UntraceableError(f"the number {value}")
        return Value((self._graph.constant(float(value)),), "shared")

    def apply(self, operation: str, *operands: Value | float | int) -> Value:
        """Apply an operation of a node elementwise to values of one width, and to constants."""
        values = [self.number(operand) for operand in operands]
        width = max(len(value.parts) for value in values)
        columns = [value.parts * width if _is_constant(value) else value.parts for value in values]
        if any(len(column) != width for column in columns):
            raise UntraceableError(f"the operation {operation} on tensors of different widths")
        rows = _common_rows(operation, values)
        return Value(tuple(self._graph.apply(operation, *parts) for parts in zip(*columns, strict=True)), rows)

    def parts(self, length: int) -> int:
        """Return how many parts a number of features make up."""
        if length % self._hidden_size:
            raise UntraceableError(f"{length} features of {self._hidden_size} hidden units")
        return length // self._hidden_size

    def as_wide(self, value: Value, like: Tensor) -> Value:
        """Return a value in the width of a tensor: a constant is repeated, and another value must have this width."""
        width = self.parts(like.shape[-1]) if like.ndim else 1
        if _is_constant(value):
            value = Value(value.parts * width, value.rows)
        if like.ndim > 2 or len(value.parts) != width:
            raise UntraceableError(f"a tensor of the shape {tuple(like.shape)}")
        return value


def _is_constant(value: Value) -> bool:
    return len(value.parts) == 1 and value.parts[0].operation == "constant"


def _common_rows(operation: str, values: Sequence[Value]) -> Rows:
    kinds = {value.rows for value in values}
    if "summed" not in kinds:
        return "each" if "each" in kinds else "shared"
    summed = [value.rows == "summed" for value in values]
    # Sums over rows may be added, and multiplied by what is the same in all rows.
    linear = (
        operation in ("neg", "cat")
        or (operation in ("add", "sub") and all(summed))
        or (operation == "mul" and summed.count(True) == 1 and "each" not in kinds)
        or (operation == "div" and summed == [True, False] and "each" not in kinds)
        or (operation == "where" and values[0].rows == "shared" and all(map(_is_summed_or_zero, values[1:])))
    )
    if not linear:
        raise UntraceableError(f"the operation {operation} on a sum over the batch")
    return "summed"


def _is_summed_or_zero(value: Value) -> bool:
    return value.rows == "summed" or all(part.is_constant(0.0) for part in value.parts)

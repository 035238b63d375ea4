"""Tensors of a traced cell, as the nodes of one hidden unit, and the arithmetic on them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from seqforge_native.traced.expression import Graph, Node

Rows = Literal["each", "shared", "summed", "weight", "outer"]


class UntraceableError(Exception):
    """A kernel cannot compute a cell; the message names the part that it cannot compute."""


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor whose last axis has one or more numbers for each hidden unit.

    Attributes:
        parts: Nodes of a hidden unit. Part k stands for the k-th block of hidden units on the last axis. A number that
            is the same for all hidden units has one part.
        rows: "each" if every row of the batch has its own numbers; "shared" if all rows have the same; "summed" for the
            sum of the nodes over the rows; "weight" for a weight, and "outer" for the gradient of one, whose parts are
            blocks `[hidden, hidden]` along the first axis.
        transposed: Whether the axes are exchanged.
        shape: Shape of the tensor; empty for a constant.
    """

    parts: tuple[Node, ...]
    rows: Rows = "each"
    transposed: bool = False
    shape: tuple[int, ...] = ()

    def slice(self, start: int, stop: int) -> "Value":
        """Return the parts from `start` to before `stop`."""
        return Value(self.parts[start:stop], self.rows, self.transposed)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axis of the parts, from the start and from the end."""
        if self.rows in ("weight", "outer"):
            return (1, -1) if self.transposed else (0, -2)
        return (0, -2) if self.transposed else (len(self.shape) - 1, -1)

    @property
    def single(self) -> bool:
        """Whether there is one number for all hidden units."""
        return len(self.parts) == 1 and self.parts[0].single


def joined(values: Sequence[Value]) -> Value:
    """Concatenate at least one value along the last axis."""
    transposed = any(value.transposed for value in values)
    return Value(tuple(part for value in values for part in value.parts), _common_rows("cat", values), transposed)


class Arithmetic:
    """Elementwise operations on values; every method raises `UntraceableError` for what a kernel cannot compute.

    Attributes:
        graph: Graph that receives the nodes.
        hidden_size: Number of hidden units.
        heads: Number of heads, which a kernel reads one after another.
    """

    def __init__(self, graph: Graph, hidden_size: int, heads: int = 1) -> None:
        self.graph = graph
        self.hidden_size = hidden_size
        self.heads = heads

    def number(self, value: Value | float | int) -> Value:
        """Return a value as it is, or a finite number as a constant value."""
        if isinstance(value, Value):
            return value
        if not math.isfinite(value):
            raise UntraceableError(f"the number {value}")
        return Value((self.graph.constant(float(value)),), "shared")

    def apply(self, operation: str, *operands: Value | float | int) -> Value:
        """Apply an operation of a node elementwise to values of one width, and to numbers for all hidden units."""
        values = [self.number(operand) for operand in operands]
        width = max(len(value.parts) for value in values)
        columns = [value.parts * width if value.single else value.parts for value in values]
        if any(len(column) != width for column in columns):
            raise UntraceableError(f"the operation {operation} on tensors of different widths")
        rows = _common_rows(operation, values)
        if any(value.transposed for value in values):
            raise UntraceableError(f"the operation {operation} on a transposed tensor")
        shape = max((value.shape for value in values if not value.single), key=len, default=())
        nodes = tuple(self.graph.apply(operation, *parts) for parts in zip(*columns, strict=True))
        return Value(nodes, rows, shape=shape)

    def parts(self, length: int) -> int:
        """Return how many parts a number of features make up."""
        if length % self.hidden_size:
            raise UntraceableError(f"{length} features of {self.hidden_size} hidden units")
        return length // self.hidden_size

    def as_wide(self, value: Value, like: Tensor) -> Value:
        """Return a value with the shape of a tensor.

        A number for all hidden units is repeated to the width of the tensor; another value must have this width.
        """
        shape = tuple(like.shape)
        parts = value.parts
        if value.rows in ("weight", "outer") or value.transposed:
            axis = 1 if value.transposed and value.rows != "each" else 0
            fits = len(shape) == 2 and shape[axis] == len(parts) * self.hidden_size
        elif len(shape) == 3:  # [rows, heads, hidden / heads]
            whole = value.single and shape[2] == 1
            fits = len(parts) == 1 and shape[1] == self.heads and (whole or shape[1] * shape[2] == self.hidden_size)
        elif value.single:
            repeated = shape and not shape[-1] % self.hidden_size and (value.rows == "shared" or len(shape) == 2)
            parts = parts * self.parts(shape[-1]) if repeated else parts
            fits = len(shape) <= 2
        else:
            fits = 0 < len(shape) <= 2 and len(parts) == self.parts(shape[-1])
        if not fits:
            raise UntraceableError(f"a tensor of the shape {shape}")
        return replace(value, parts=parts, shape=shape)


def _common_rows(operation: str, values: Sequence[Value]) -> Rows:
    kinds = {value.rows for value in values}
    if "weight" in kinds or "outer" in kinds:
        if kinds == {"weight"} and operation == "cat":
            return "weight"
        if kinds <= {"outer", "shared"} and operation in ("cat", "add"):  # the shared values are zeros
            return "outer"
        raise UntraceableError(f"the operation {operation} on a weight")
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

"""Tensors of a recorded cell as nodes of one hidden unit, and the elementwise arithmetic on them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor

from seqforge_native.traced.graph import Graph, Node

Kind = Literal["per_row", "shared", "summed", "weight", "outer"]
"""What the rows of a tensor are; see `Value`."""


class UntraceableError(Exception):
    """A kernel cannot compute a cell; the message names the part that it cannot compute."""


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor whose last axis has one or more numbers for each hidden unit.

    Attributes:
        blocks: Nodes of a hidden unit: node k stands for the k-th block of hidden units on the last axis. A number that
            is the same for all hidden units has one node.
        kind: "per_row" if every row of the batch has its own numbers; "shared" if all rows have the same; "summed" for
            the sum of the nodes over the rows; "weight" for a weight, and "outer" for the gradient of one, whose nodes
            stand for blocks `[hidden, hidden]` along the first axis.
        transposed: Whether the axes are exchanged.
        shape: Shape of the tensor; empty for a constant.
    """

    blocks: tuple[Node, ...]
    kind: Kind = "per_row"
    transposed: bool = False
    shape: tuple[int, ...] = ()

    def slice(self, start: int, stop: int) -> "Value":
        """Return the blocks from `start` to before `stop`."""
        return Value(self.blocks[start:stop], self.kind, self.transposed)

    @property
    def block_axes(self) -> tuple[int, ...]:
        """Index of the axis of the blocks, counted from the first and from the last axis."""
        if self.kind in ("weight", "outer"):
            return (1, -1) if self.transposed else (0, -2)
        return (0, -2) if self.transposed else (len(self.shape) - 1, -1)

    @property
    def uniform(self) -> bool:
        """Whether there is one number for all hidden units."""
        return len(self.blocks) == 1 and self.blocks[0].uniform


def joined(values: Sequence[Value]) -> Value:
    """Concatenate at least one value along the last axis."""
    transposed = any(value.transposed for value in values)
    return Value(tuple(node for value in values for node in value.blocks), _common_kind("cat", values), transposed)


@runtime_checkable
class Elementwise(Protocol):
    """What computes elementwise operations on values of its own kind."""

    def apply(self, operation: str, *operands: Any) -> Any:
        """Return the result of an operation on values and numbers."""
        ...

    def as_value(self, value: Any) -> Any:
        """Return a value unchanged, or a number as a value."""
        ...


@runtime_checkable
class Reducing(Elementwise, Protocol):
    """What also computes sums and the largest of numbers."""

    def reduce(self, operation: str, value: Any, dims: Any, keepdim: bool) -> Any:
        """Return the sum or the largest of the numbers along some axes."""
        ...

    def count(self, value: Any, dims: Any) -> int:
        """Return how many numbers a reduction combines."""
        ...


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

    def as_value(self, value: Value | float | int) -> Value:
        """Return a value unchanged, or a finite number as a constant."""
        if isinstance(value, Value):
            return value
        if not math.isfinite(value):
            raise UntraceableError(f"the number {value}")
        return Value((self.graph.constant(float(value)),), "shared")

    def apply(self, operation: str, *operands: Value | float | int) -> Value:
        """Apply an operation elementwise to values with the same number of blocks, and to uniform values."""
        values = [self.as_value(operand) for operand in operands]
        width = max(len(value.blocks) for value in values)
        columns = [value.blocks * width if value.uniform else value.blocks for value in values]
        if any(len(column) != width for column in columns):
            raise UntraceableError(f"the operation {operation} on tensors of different widths")
        kind = _common_kind(operation, values)
        if any(value.transposed for value in values):
            raise UntraceableError(f"the operation {operation} on a transposed tensor")
        shape = max((value.shape for value in values if not value.uniform), key=len, default=())
        nodes = tuple(self.graph.apply(operation, *arguments) for arguments in zip(*columns, strict=True))
        return Value(nodes, kind, shape=shape)

    def reduce(self, operation: str, value: Any, dims: Any, keepdim: bool) -> Value:
        """Return the sum or the largest number of the hidden units of each row, or of each head of a row."""
        value = self.as_value(value)
        if operation == "sum" and all(node.is_constant(0.0) for node in value.blocks):
            return value
        if operation == "sum" and list(dims or ()) == [0] and value.kind == "per_row":
            return Value(value.blocks, "summed")
        count = self.count(value, dims)
        if value.uniform:
            return self.apply("mul", value, count) if operation == "sum" else value
        pairwise = "add" if operation == "sum" else "maximum"
        of_unit = reduce(partial(self.graph.apply, pairwise), value.blocks)
        return Value((self.graph.apply(operation, of_unit),))

    def count(self, value: Any, dims: Any) -> int:
        """Return how many numbers a reduction combines."""
        value = self.as_value(value)
        last = len(value.shape) - 1
        if value.kind != "per_row" or list(dims or ()) not in ([last], [-1]) or last < 1:
            raise UntraceableError("a reduction over another axis than that of the hidden units")
        length = value.shape[-1]
        if last == 1 and self.heads > 1 and length > 1:
            raise UntraceableError("a reduction over the hidden units of several heads")
        return length

    def block_count(self, length: int) -> int:
        """Return the number of blocks of hidden units in a number of features."""
        if length % self.hidden_size:
            raise UntraceableError(f"{length} features of {self.hidden_size} hidden units")
        return length // self.hidden_size

    def with_shape(self, value: Value, like: Tensor) -> Value:
        """Return a value with the shape of a tensor.

        A number for all hidden units is repeated to the width of the tensor; another value must have this width.
        """
        shape = tuple(like.shape)
        blocks = value.blocks
        if value.kind in ("weight", "outer") or value.transposed:
            axis = 1 if value.transposed and value.kind != "per_row" else 0
            fits = len(shape) == 2 and shape[axis] == len(blocks) * self.hidden_size
        elif len(shape) == 3:  # [rows, heads, hidden / heads]
            whole = value.uniform and shape[2] == 1
            fits = len(blocks) == 1 and shape[1] == self.heads and (whole or shape[1] * shape[2] == self.hidden_size)
        elif value.uniform:
            repeated = shape and not shape[-1] % self.hidden_size and (value.kind == "shared" or len(shape) == 2)
            blocks = blocks * self.block_count(shape[-1]) if repeated else blocks
            fits = len(shape) <= 2
        else:
            fits = 0 < len(shape) <= 2 and len(blocks) == self.block_count(shape[-1])
        if not fits:
            raise UntraceableError(f"a tensor of the shape {shape}")
        return replace(value, blocks=blocks, shape=shape)


def _common_kind(operation: str, values: Sequence[Value]) -> Kind:
    kinds = {value.kind for value in values}
    if "weight" in kinds or "outer" in kinds:
        if kinds == {"weight"} and operation == "cat":
            return "weight"
        if kinds <= {"outer", "shared"} and operation in ("cat", "add"):  # the shared values are zeros
            return "outer"
        raise UntraceableError(f"the operation {operation} on a weight")
    if "summed" not in kinds:
        return "per_row" if "per_row" in kinds else "shared"
    summed = [value.kind == "summed" for value in values]
    # Sums over rows may be added, and multiplied by what is the same in all rows.
    linear = (
        operation in ("neg", "cat")
        or (operation in ("add", "sub") and all(summed))
        or (operation == "mul" and summed.count(True) == 1 and "per_row" not in kinds)
        or (operation == "div" and summed == [True, False] and "per_row" not in kinds)
        or (operation == "where" and values[0].kind == "shared" and all(map(_is_summed_or_zero, values[1:])))
    )
    if not linear:
        raise UntraceableError(f"the operation {operation} on a sum over the batch")
    return "summed"


def _is_summed_or_zero(value: Value) -> bool:
    return value.kind == "summed" or all(node.is_constant(0.0) for node in value.blocks)

"""Tensors of a traced cell, as the nodes of one hidden unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seqforge_native.traced.expression import Graph, Node


class UntraceableError(Exception):
    """A cell computes what no kernel can be made of."""


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor whose last axis is hidden units, or a whole number of times as long.

    Attributes:
        parts: Of each hidden unit, one node for each time that the units come.
        rows: "each" where every row of the batch has numbers of its own; "shared" where all have the same; "summed" for
            the sum over the rows of what the nodes say.
    """

    parts: tuple[Node, ...]
    rows: Literal["each", "shared", "summed"] = "each"

    def slice(self, start: int, stop: int) -> "Value":
        """Take some of the parts.

        Args:
            start: The first.
            stop: One past the last.
        """
        return Value(self.parts[start:stop], self.rows)


def joined(values: Sequence[Value]) -> Value:
    """Put parts of one kind side by side.

    Args:
        values: At least one.

    Raises:
        UntraceableError: Where rows are summed in some and not in others.
    """
    return Value(tuple(part for value in values for part in value.parts), _common_rows("cat", values))


def applied(graph: Graph, operation: str, *values: Value) -> Value:
    """Compute number by number.

    Args:
        graph: Takes the nodes.
        operation: Its name.
        values: Of one width, or of one number that is known beforehand.

    Raises:
        UntraceableError: Where widths differ, or the sum over rows would have to be known within a row.
    """
    width = max(len(value.parts) for value in values)
    columns = [value.parts * width if _is_number(value) else value.parts for value in values]
    if any(len(column) != width for column in columns):
        raise UntraceableError(f"{operation} of tensors of different widths")
    rows = _common_rows(operation, values)
    return Value(tuple(graph.apply(operation, *parts) for parts in zip(*columns, strict=True)), rows)


def _is_number(value: Value) -> bool:
    return len(value.parts) == 1 and value.parts[0].operation == "constant"


def _common_rows(operation: str, values: Sequence[Value]) -> Literal["each", "shared", "summed"]:
    kinds = {value.rows for value in values}
    if "summed" not in kinds:
        return "each" if "each" in kinds else "shared"
    summed = [value.rows == "summed" for value in values]
    # Sums over rows may be added, and multiplied by what is the same in all of them.
    linear = (
        operation in ("neg", "cat")
        or (operation in ("add", "sub") and all(summed))
        or (operation == "mul" and summed.count(True) == 1 and "each" not in kinds)
        or (operation == "div" and summed == [True, False] and "each" not in kinds)
    )
    if not linear:
        raise UntraceableError(f"{operation} of a sum over the batch")
    return "summed"

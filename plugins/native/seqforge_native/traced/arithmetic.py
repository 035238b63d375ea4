"""Arithmetic on the values of a traced cell."""

import math

from torch import Tensor

from seqforge_native.traced.expression import Graph
from seqforge_native.traced.values import UntraceableError, Value, applied


class Arithmetic:
    """Computes values from values.

    Args:
        graph: Takes the nodes.
        hidden_size: Hidden units: numbers of a part.
    """

    def __init__(self, graph: Graph, hidden_size: int) -> None:
        self._graph = graph
        self._hidden_size = hidden_size

    def number(self, value: Value | float | int) -> Value:
        """Take a number of Python's for a value.

        Args:
            value: Either.

        Raises:
            UntraceableError: Where the number is infinite or none.
        """
        if isinstance(value, Value):
            return value
        if not math.isfinite(value):
            raise UntraceableError(f"the number {value}")
        return Value((self._graph.constant(float(value)),), "shared")

    def apply(self, operation: str, *values: Value | float | int) -> Value:
        """Compute number by number.

        Args:
            operation: The name of a node's operation.
            values: Values and numbers.

        Raises:
            UntraceableError: Where they do not go together.
        """
        return applied(self._graph, operation, *map(self.number, values))

    def parts(self, length: int) -> int:
        """Count the parts that a number of features are.

        Args:
            length: Features.

        Raises:
            UntraceableError: Where hidden units would be cut in two.
        """
        if length % self._hidden_size:
            raise UntraceableError(f"{length} features of {self._hidden_size} hidden units")
        return length // self._hidden_size

    def as_wide(self, value: Value, like: Tensor) -> Value:
        """Make sure that a value is as wide as torch says; a number that is known beforehand is made so.

        Args:
            value: The value.
            like: The tensor that torch would give, without numbers.

        Raises:
            UntraceableError: Where it is another's shape.
        """
        width = self.parts(like.shape[-1]) if like.ndim else 1
        if len(value.parts) == 1 and value.parts[0].operation == "constant":
            value = Value(value.parts * width, value.rows)
        if like.ndim > 2 or len(value.parts) != width:
            raise UntraceableError(f"a tensor of the shape {tuple(like.shape)}")
        return value

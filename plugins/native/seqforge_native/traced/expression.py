"""The arithmetic of one hidden unit as a graph, in which equal expressions are one node."""

from collections.abc import Sequence
from dataclasses import dataclass

LEAVES = ("input_gate", "recurrent_gate", "state", "parameter", "output_gradient", "state_gradient")
"""What a node may read; its indices say which gate, part of the state, or register of parameters."""

TRANSCENDENTAL = {"sigmoid", "tanh", "exp"}
"""What takes long enough to be kept for the backward pass."""

_COMMUTATIVE = {"add", "mul", "maximum", "minimum"}


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One number of a hidden unit; within a graph, equal nodes are the same.

    Attributes:
        operation: A leaf of `LEAVES`, "constant", or the name of an operation.
        arguments: Of an operation.
        index: Of a leaf.
        value: Of a constant.
        shared: Whether it is the same for every row of a batch.
        learning: Whether it depends on a gradient.
        number: Its place in the graph: arguments come before what is made of them.
    """

    operation: str
    arguments: tuple["Node", ...] = ()
    index: int = 0
    value: float = 0.0
    shared: bool = False
    learning: bool = False
    number: int = 0

    def is_constant(self, value: float) -> bool:
        """Say whether this is a number known beforehand."""
        return self.operation == "constant" and self.value == value


class Graph:
    """Makes nodes, each once."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[object, ...], Node] = {}

    def leaf(self, operation: str, index: int = 0) -> Node:
        """Read a number from outside.

        Args:
            operation: Of `LEAVES`.
            index: Which of its kind.
        """
        shared = operation == "parameter"
        return self._node(operation, (), index=index, shared=shared, learning=operation.endswith("gradient"))

    def constant(self, value: float) -> Node:
        """Take a number as it is.

        Args:
            value: The number.
        """
        return self._node("constant", (), value=value, shared=True)

    def apply(self, operation: str, *arguments: Node) -> Node:
        """Compute a number from others, or find that it is known.

        Args:
            operation: Its name.
            arguments: What it takes.
        """
        if operation in _COMMUTATIVE:
            arguments = tuple(sorted(arguments, key=lambda node: node.number))
        return self._simpler(operation, arguments) or self._node(
            operation,
            arguments,
            shared=all(node.shared for node in arguments),
            learning=any(node.learning for node in arguments),
        )

    def _simpler(self, operation: str, arguments: tuple[Node, ...]) -> Node | None:
        zero = [node.is_constant(0.0) for node in arguments]
        match operation:
            case "add" if any(zero):
                return arguments[zero.index(False)] if False in zero else arguments[0]
            case "sub" if zero[1]:
                return arguments[0]
            # Also where the other is infinite: that a gradient is not asked for, it says, is no arithmetic.
            case "mul" if any(zero):
                return arguments[zero.index(True)]
            case "mul" | "div" if arguments[1].is_constant(1.0):
                return arguments[0]
            case "mul" if arguments[0].is_constant(1.0):
                return arguments[1]
            case "neg" | "div" if zero[0]:
                return arguments[0]
            case _:
                return None

    def _node(
        self,
        operation: str,
        arguments: tuple[Node, ...],
        *,
        index: int = 0,
        value: float = 0.0,
        shared: bool = False,
        learning: bool = False,
    ) -> Node:
        key = (operation, *(node.number for node in arguments), index, repr(value))
        if key not in self._nodes:
            self._nodes[key] = Node(operation, arguments, index, value, shared, learning, len(self._nodes))
        return self._nodes[key]


def needed_by(roots: Sequence[Node], given: Sequence[Node] = ()) -> list[Node]:
    """List all that is computed for some nodes, arguments first.

    Args:
        roots: The nodes.
        given: Nodes that need not be computed; they are listed without their arguments.
    """
    found: dict[int, Node] = {}
    known = {node.number for node in given}
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node.number not in found:
            found[node.number] = node
            if node.number not in known:
                waiting.extend(node.arguments)
    return [found[number] for number in sorted(found)]

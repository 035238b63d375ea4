"""The arithmetic of one hidden unit as a graph, in which equal expressions are the same node."""

from collections.abc import Sequence
from dataclasses import dataclass

TRANSCENDENTAL = {"sigmoid", "tanh", "exp", "log", "log1p"}
"""Operations that are slow enough for their results to be stored for the backward pass."""

REDUCTIONS = {"sum", "largest"}
"""Reductions over the hidden units of a row."""

_COMMUTATIVE = {"add", "mul", "maximum", "minimum"}


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One number of a hidden unit.

    Attributes:
        operation: An operation, "constant", or a leaf: "input_gate", "recurrent_gate", "state", "parameter",
            "weight", "output_gradient" or "state_gradient". Operations across hidden units are those of `REDUCTIONS`;
            "product", whose results are the nodes "product_result"; and "outer", the product of two numbers, summed
            over all steps and rows, for each pair of hidden units.
        arguments: Arguments of an operation.
        index: Index of a leaf: of the gate, the tensor of the state, the register of parameters, or the block of a
            weight. Index of a product in `Graph.products`, or of a result of a product.
        value: Value of a constant.
        shared: Whether the number is the same in every row of a batch.
        uniform: Whether the number is the same for all hidden units of a row.
        backward: Whether the number depends on a gradient, so that only the backward pass can compute it.
        boolean: Whether the number is 0 or 1, which stand for False and True.
        position: Position in the graph, after the positions of the arguments.
    """

    operation: str
    arguments: tuple["Node", ...] = ()
    index: int = 0
    value: float = 0.0
    shared: bool = False
    uniform: bool = False
    backward: bool = False
    boolean: bool = False
    position: int = 0

    def is_constant(self, value: float) -> bool:
        """Return whether this is the constant of a value."""
        return self.operation == "constant" and self.value == value


@dataclass(frozen=True, slots=True)
class Product:
    """A product of numbers of the hidden units with consecutive blocks `[hidden, hidden]` of a weight.

    Attributes:
        blocks: The first block, and the one after the last. The blocks of all weights are numbered consecutively.
        transposed: Whether the input is one number of each unit, which is multiplied by every transposed block, with
            one result for each block. Otherwise, there is one input for each block, and the products are added.
        inputs: Numbers that are multiplied.
    """

    blocks: tuple[int, int]
    transposed: bool
    inputs: tuple[Node, ...]

    @property
    def count(self) -> int:
        """Number of blocks."""
        return self.blocks[1] - self.blocks[0]


class Graph:
    """Creates nodes, and returns the same node for the same expression.

    Attributes:
        products: All products, in the order of their creation.
    """

    def __init__(self) -> None:
        self._nodes: dict[tuple[object, ...], Node] = {}
        self.products: list[Product] = []

    def leaf(self, operation: str, index: int = 0, *, boolean: bool = False) -> Node:
        """Return an input of the hidden unit."""
        shared, backward = operation == "parameter", operation.endswith("gradient")
        return self._node(operation, (), index=index, shared=shared, backward=backward, boolean=boolean)

    def constant(self, value: float) -> Node:
        """Return a constant."""
        return self._node("constant", (), value=value, shared=True, uniform=True, boolean=value in (0.0, 1.0))

    def product(self, product: Product) -> tuple[Node, ...]:
        """Return the results of a product."""
        if product not in self.products:
            self.products.append(product)
        backward = any(node.backward for node in product.inputs)
        whole = self._node("product", product.inputs, index=self.products.index(product), backward=backward)
        results = product.count if product.transposed else 1
        return tuple(self._node("product_result", (whole,), index=index, backward=backward) for index in range(results))

    def apply(self, operation: str, *arguments: Node) -> Node:
        """Return the result of an operation, simplified if an argument is 0 or 1."""
        if operation in _COMMUTATIVE:
            arguments = tuple(sorted(arguments, key=lambda node: node.position))
        shared, backward = all(node.shared for node in arguments), any(node.backward for node in arguments)
        uniform = operation in REDUCTIONS or all(node.uniform for node in arguments)
        simpler = self._simpler(operation, arguments)
        boolean = _is_boolean(operation, arguments)
        return simpler or self._node(
            operation, arguments, shared=shared, uniform=uniform, backward=backward, boolean=boolean
        )

    def _simpler(self, operation: str, arguments: tuple[Node, ...]) -> Node | None:
        zero = [node.is_constant(0.0) for node in arguments]
        match operation:
            case "add" if any(zero):
                return arguments[zero.index(False)] if False in zero else arguments[0]
            case "sub" if zero[1]:
                return arguments[0]
            # Even if the other factor is infinite: a zero stands for a gradient that is not computed.
            case "mul" | "outer" if any(zero):
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
        self, operation: str, arguments: tuple[Node, ...], index: int = 0, value: float = 0.0, **flags: bool
    ) -> Node:
        key = (operation, *(node.position for node in arguments), index, repr(value))
        if key not in self._nodes:
            self._nodes[key] = Node(operation, arguments, index, value, position=len(self._nodes), **flags)
        return self._nodes[key]


def _is_boolean(operation: str, arguments: Sequence[Node]) -> bool:
    """Return whether an operation results in 0 or 1 for all numbers."""
    match operation:
        case "greater" | "at_least_as_great":
            return True
        case "mul" | "maximum":
            return all(argument.boolean for argument in arguments)
        case "sub":
            return arguments[0].is_constant(1.0) and arguments[1].boolean
        case "where":
            return all(argument.boolean for argument in arguments[1:])
        case _:
            return False


def needed_by(roots: Sequence[Node], given: Sequence[Node] = ()) -> list[Node]:
    """Return the nodes that must be computed for the roots, arguments first.

    The arguments of a node in `given` are left out: its value is known.
    """
    found: dict[int, Node] = {}
    known = {node.position for node in given}
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node.position not in found:
            found[node.position] = node
            if node.position not in known:
                waiting.extend(node.arguments)
    return [found[position] for position in sorted(found)]

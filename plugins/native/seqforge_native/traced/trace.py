"""A step of a cell and its gradients, as nodes of one hidden unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from seqforge.interfaces import Cell
from seqforge_native.layout import heads_of, why_not_elementwise
from seqforge_native.traced.expression import TOTALS, Graph, Node, Product, needed_by
from seqforge_native.traced.recording import Step, evaluate, record
from seqforge_native.traced.values import Arithmetic, UntraceableError, Value

MOST_GATES = 12
"""Largest number of gates of a product: the registers that AVX2 has for the sums of one row."""

Term = tuple[Node, Node]
"""A sum over all steps and rows, for each pair of hidden units, of the products of two numbers."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Computation of one step for one hidden unit.

    Attributes:
        gates: Number of gates.
        outputs: The output, then the state after the step.
        input_gates: Gradients of W x + b.
        recurrent_gates: Gradients of U h; none if the step has no such product, or contains it.
        state: Gradients of the state before the step.
        parameters: Gradients of the registers of parameters in one row; the kernel sums them over the rows.
        products: Products that the step contains.
        weights: For each block of the weights of these products, the terms whose sum is its gradient.
    """

    gates: int
    outputs: tuple[Node, ...]
    input_gates: tuple[Node, ...]
    recurrent_gates: tuple[Node, ...]
    state: tuple[Node, ...]
    parameters: tuple[Node, ...]
    products: tuple[Product, ...] = ()
    weights: tuple[tuple[Term, ...], ...] = ()

    @property
    def gradients(self) -> tuple[Node, ...]:
        """All results of the backward pass for one hidden unit."""
        return (*self.input_gates, *self.recurrent_gates, *self.state, *self.parameters)

    @property
    def writes_hidden(self) -> bool:
        """Whether the output is the new hidden state, which is the first part of the state."""
        return self.outputs[0] is self.outputs[1]

    @property
    def crosses_units(self) -> bool:
        """Whether the numbers of a hidden unit depend on those of others, other than by U h."""
        nodes = needed_by([*self.outputs, *self.gradients])
        return bool(self.products) or any(node.operation in TOTALS for node in nodes)


def trace(cell: Cell[Any]) -> Trace:
    """Trace a cell with parameters in float32: its `pointwise` if the rest of the step is U h, or else its `step`.

    Raises:
        UntraceableError: If a kernel cannot compute the step.
    """
    if why_not_elementwise(cell) is None:
        try:
            elementwise = _trace(_step(cell, whole=False))
        except UntraceableError:
            pass  # The whole step may be traceable; if not, it has the same reason.
        else:
            if not elementwise.crosses_units:
                return elementwise
    return _trace(_step(cell, whole=True))


def _step(cell: Cell[Any], *, whole: bool) -> Step:
    try:
        return Step(cell, whole)
    except UntraceableError:
        raise
    except Exception as error:  # a cell may raise any error for inputs that it does not expect
        raise UntraceableError(f"an error before its first step: {type(error).__name__}: {error}") from error


def _trace(step: Step) -> Trace:
    hidden_size, heads = step.cell.hidden_size, heads_of(step.cell)
    gates, rest = divmod(step.features, hidden_size)
    if rest:
        counts = f"{step.features} projected inputs for {hidden_size} hidden units, which is not a multiple"
        raise UntraceableError(f"{counts}; multiply the inputs by their weight in `project`")
    if not gates or ((step.sides == 2 or step.adds_product) and gates > MOST_GATES):
        raise UntraceableError(f"{step.features} gates of {hidden_size} hidden units")
    recorded = record(step)
    graph = Graph()
    arithmetic = Arithmetic(graph, hidden_size, heads)
    parts = len(step.state)

    def leaf(operation: str, index: int = 0, count: int = 1) -> Value:
        nodes = tuple(graph.leaf(operation, index + each) for each in range(count))
        return Value(nodes, shape=(step.rows, count * hidden_size))

    heights = [len(value) // hidden_size for value in step.weights.values()]
    widths = [len(value) // hidden_size for value in step.vectors.values()]
    given = [
        *(leaf(side, count=gates) for side in ("input_gate", "recurrent_gate")[: step.sides]),
        *(leaf("state", index) for index in range(parts)),
        *(
            Value(nodes, "weight", shape=(len(nodes) * hidden_size, hidden_size))
            for nodes in _rows(graph, "weight", heights)
        ),
        *(Value(nodes, "shared", shape=(len(nodes) * hidden_size,)) for nodes in _rows(graph, "parameter", widths)),
    ]
    state_gradients = [leaf("state_gradient", index) for index in range(parts)]
    results = evaluate(recorded, arithmetic, [*given, leaf("output_gradient"), *state_gradients])
    if not step.whole and results[0].parts == results[1].parts:
        # The output is the hidden state: the kernel adds the gradients of both before this computation.
        results = evaluate(recorded, arithmetic, [*given, arithmetic.number(0.0), *state_gradients])
    outputs, gradients = results[: 1 + parts], iter(results[1 + parts :])
    zeros = [arithmetic.number(0.0)] * step.buffer_count

    def take(count: int) -> list[Value]:
        return [next(gradients) for _ in range(count)]

    sides, state, weights, vectors = take(step.sides), take(parts), take(len(heights)), [*gradients, *zeros]
    traced = Trace(
        gates,
        tuple(_one(value) for value in outputs),
        _as_wide(sides[0], gates),
        _as_wide(sides[1], gates) if step.sides == 2 else (),
        tuple(_one(value) for value in state),
        tuple(node for value, width in zip(vectors, widths, strict=True) for node in _as_wide(value, width)),
        tuple(graph.products),
        tuple(_terms(node) for value, height in zip(weights, heights, strict=True) for node in _as_wide(value, height)),
    )
    for product in traced.products:
        if heads > 1 and product.blocks[1] > heights[0]:
            raise UntraceableError("a further product of a cell with heads")
        if product.count > MOST_GATES:
            raise UntraceableError(f"{product.count * hidden_size} gates of {hidden_size} hidden units")
    return traced


def _rows(graph: Graph, operation: str, counts: Sequence[int]) -> list[tuple[Node, ...]]:
    """Return leaves for several tensors, numbered in one row."""
    stops = list(accumulate(counts))
    return [
        tuple(graph.leaf(operation, index) for index in range(stop - count, stop))
        for stop, count in zip(stops, counts, strict=True)
    ]


def _as_wide(value: Value, width: int) -> tuple[Node, ...]:
    """Return the nodes of a value; a constant, such as a missing gradient, is repeated."""
    return value.parts * width if len(value.parts) == 1 else value.parts


def _one(value: Value) -> Node:
    (node, *more) = value.parts
    if more:
        raise UntraceableError("an output that is not one number for each hidden unit")
    return node


def _terms(gradient: Node) -> tuple[Term, ...]:
    """Return the terms of the gradient of a block."""
    match gradient.operation:
        case "outer":
            return ((gradient.arguments[0], gradient.arguments[1]),)
        case "add":
            return tuple(term for argument in gradient.arguments for term in _terms(argument))
        case _:
            return ()

"""The trace of a cell: a step and its gradients, as nodes of one hidden unit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import torch
from torch import Tensor

from seqforge.kinds import Cell
from seqforge_native.cell_reader import heads_of, why_not_elementwise
from seqforge_native.traced.graph import REDUCTIONS, Graph, Node, Product, needed_by
from seqforge_native.traced.recording import Step, evaluate_units, record
from seqforge_native.traced.values import Arithmetic, UntraceableError, Value

MOST_GATES = 12
"""Largest number of gates of a product: the registers that AVX2 has for the sums of one row."""

Term = tuple[Node, Node]
"""Factors of an outer product, which is summed over all steps and rows."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Computation of one step for one hidden unit, forward and backward.

    Attributes:
        gates: Number of gates.
        outputs: The output, then the state after the step.
        input_gate_gradients: Gradients of W x + b.
        recurrent_gate_gradients: Gradients of U h; none if the step has no such product, or contains it.
        state_gradients: Gradients of the state before the step.
        parameter_gradients: Gradients of the registers of parameters in one row; the kernel sums them over the rows.
        products: Products that the step contains.
        weight_gradients: For each block of the weights of these products, the terms whose sum is its gradient.
    """

    gates: int
    outputs: tuple[Node, ...]
    input_gate_gradients: tuple[Node, ...]
    recurrent_gate_gradients: tuple[Node, ...]
    state_gradients: tuple[Node, ...]
    parameter_gradients: tuple[Node, ...]
    products: tuple[Product, ...] = ()
    weight_gradients: tuple[tuple[Term, ...], ...] = ()

    @property
    def gradients(self) -> tuple[Node, ...]:
        """All results of the backward pass for one hidden unit."""
        return (
            *self.input_gate_gradients,
            *self.recurrent_gate_gradients,
            *self.state_gradients,
            *self.parameter_gradients,
        )

    @property
    def writes_hidden(self) -> bool:
        """Whether the output is the new hidden state, which is the first part of the state."""
        return self.outputs[0] is self.outputs[1]

    @property
    def crosses_units(self) -> bool:
        """Whether the numbers of a hidden unit depend on those of others, other than by U h."""
        nodes = needed_by([*self.outputs, *self.gradients])
        return bool(self.products) or any(node.operation in REDUCTIONS for node in nodes)


def trace(cell: Cell[Any]) -> Trace:
    """Trace a cell with parameters in float32: its `pointwise` if the rest of the step is U h, or else its `step`.

    Raises:
        UntraceableError: If a kernel cannot compute the step.
    """
    if why_not_elementwise(cell) is None:
        try:
            elementwise = _trace(_step(cell, whole=False))
        except UntraceableError:
            pass  # The whole step may be traceable; if it is not, the reason is the same.
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
    hidden_size, heads, rows = step.cell.hidden_size, heads_of(step.cell), step.rows
    gates, state_count = _count_gates(step), len(step.state)
    recorded, graph = record(step), Graph()
    arithmetic = Arithmetic(graph, hidden_size, heads)

    def per_row(operation: str, index: int = 0, count: int = 1) -> Value:
        nodes = tuple(graph.leaf(operation, index + each) for each in range(count))
        return Value(nodes, shape=(rows, count * hidden_size))

    sides = [per_row(side, count=gates) for side in ("input_gate", "recurrent_gate")[: step.sides]]
    state = [per_row("state", index) for index in range(state_count)]
    weights = _leaves(graph, "weight", step.weights.values(), hidden_size)
    vectors = _leaves(graph, "parameter", step.vectors.values(), hidden_size)
    inputs = [
        *sides,
        *state,
        *(Value(nodes, "weight", shape=(len(nodes) * hidden_size, hidden_size)) for nodes in weights),
        *(Value(nodes, "shared", shape=(len(nodes) * hidden_size,)) for nodes in vectors),
    ]
    state_gradients = [per_row("state_gradient", index) for index in range(state_count)]
    results = evaluate_units(recorded, arithmetic, [*inputs, per_row("output_gradient"), *state_gradients])
    if not step.whole and results[0].blocks == results[1].blocks:
        # The output is the hidden state: the kernel adds the gradients of both before this computation.
        results = evaluate_units(recorded, arithmetic, [*inputs, arithmetic.as_value(0.0), *state_gradients])
    outputs, gradients = results[: 1 + state_count], iter(results[1 + state_count :])
    of_sides, of_state = list(islice(gradients, step.sides)), list(islice(gradients, state_count))
    of_weights = list(islice(gradients, len(weights)))
    of_vectors = [*gradients, *[arithmetic.as_value(0.0)] * step.buffer_count]
    traced = Trace(
        gates,
        outputs=tuple(_one_per_unit(value) for value in outputs),
        input_gate_gradients=_per_row_blocks(of_sides[0], gates),
        recurrent_gate_gradients=_per_row_blocks(of_sides[1], gates) if step.sides == 2 else (),
        state_gradients=tuple(_one_per_unit(value) for value in of_state),
        parameter_gradients=_concatenated(of_vectors, vectors),
        products=tuple(graph.products),
        weight_gradients=tuple(_terms(node) for node in _concatenated(of_weights, weights)),
    )
    for product in traced.products:
        if heads > 1 and product.blocks[1] > len(weights[0]):
            raise UntraceableError("a further product of a cell with heads")
        if product.count > MOST_GATES:
            raise UntraceableError(f"{product.count * hidden_size} gates of {hidden_size} hidden units")
    return traced


def _count_gates(step: Step) -> int:
    """Return the number of gates of a hidden unit.

    Raises:
        UntraceableError: If a kernel cannot compute this number of gates.
    """
    hidden_size = step.cell.hidden_size
    gates, rest = divmod(step.features, hidden_size)
    if rest:
        counts = f"{step.features} projected inputs for {hidden_size} hidden units, which is not a multiple"
        raise UntraceableError(f"{counts}; multiply the inputs by their weight in `project`")
    if not gates or ((step.sides == 2 or step.adds_product) and gates > MOST_GATES):
        raise UntraceableError(f"{step.features} gates of {hidden_size} hidden units")
    return gates


def _leaves(graph: Graph, operation: str, tensors: Iterable[Tensor], hidden_size: int) -> list[tuple[Node, ...]]:
    """Return leaves for the blocks of several tensors, numbered consecutively."""
    indices = count()
    return [
        tuple(
            graph.leaf(operation, next(indices), boolean=tensor.dtype == torch.bool)
            for _ in range(len(tensor) // hidden_size)
        )
        for tensor in tensors
    ]


def _concatenated(gradients: Sequence[Value], leaves: Sequence[tuple[Node, ...]]) -> tuple[Node, ...]:
    """Return the nodes of the gradients of several tensors."""
    return tuple(node for value, own in zip(gradients, leaves, strict=True) for node in _repeated(value, len(own)))


def _repeated(value: Value, count: int) -> tuple[Node, ...]:
    """Return the nodes of a value; a constant, such as a missing gradient, is repeated."""
    return value.blocks * count if len(value.blocks) == 1 else value.blocks


def _per_row_blocks(value: Value, count: int) -> tuple[Node, ...]:
    """Return the nodes of a result with some numbers for each hidden unit of each row.

    Raises:
        UntraceableError: If the value has another form.
    """
    blocks = _repeated(value, count)
    if len(blocks) != count or value.kind not in ("per_row", "shared"):
        raise UntraceableError("an output that is not one number for each hidden unit")
    return blocks


def _one_per_unit(value: Value) -> Node:
    (node,) = _per_row_blocks(value, 1)
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

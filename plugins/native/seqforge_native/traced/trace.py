"""The elementwise part of a cell and its gradients as nodes, from a trace by torch."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch._decomp import core_aten_decompositions
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree

from seqforge.interfaces import ElementwiseCell, FactoredCell
from seqforge_native.layout import further_tensors
from seqforge_native.traced.expression import Graph, Node
from seqforge_native.traced.operations import FUNCTIONS
from seqforge_native.traced.source import name_of, place_of_error, place_of_node, record_places
from seqforge_native.traced.values import Arithmetic, UntraceableError, Value

CompilableCell = FactoredCell[Any] | ElementwiseCell[Any]

MOST_GATES = 12
"""Largest number of gates of a hidden unit: the registers that AVX2 has for the sums of one row."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Computation of one step for one hidden unit.

    Attributes:
        gates: Number of gates.
        outputs: The output, then the state after the step.
        input_gates: Gradients of W x + b.
        recurrent_gates: Gradients of U h; none if the step has no product.
        state: Gradients of the state before the step.
        parameters: Gradients of the registers of parameters in one row; the kernel sums them over the rows.
    """

    gates: int
    outputs: tuple[Node, ...]
    input_gates: tuple[Node, ...]
    recurrent_gates: tuple[Node, ...]
    state: tuple[Node, ...]
    parameters: tuple[Node, ...]

    @property
    def gradients(self) -> tuple[Node, ...]:
        """All results of the backward pass."""
        return (*self.input_gates, *self.recurrent_gates, *self.state, *self.parameters)

    @property
    def writes_hidden(self) -> bool:
        """Whether the output is the new hidden state, which is the first part of the state."""
        return self.outputs[0] is self.outputs[1]


def trace(cell: CompilableCell) -> Trace:
    """Trace the elementwise part of a cell with parameters in float32, forward and backward.

    Raises:
        UntraceableError: If the computation is not arithmetic within each hidden unit.
    """
    hidden_size, has_product = cell.hidden_size, isinstance(cell, FactoredCell)
    with torch.no_grad():
        features = cell.project(torch.zeros(1, 1, cell.input_size)).shape[-1]
    gates, rest = divmod(features, hidden_size)
    if rest or not gates or (has_product and gates > MOST_GATES):
        raise UntraceableError(f"{features} gates of {hidden_size} hidden units")
    sides = 2 if has_product else 1
    parts = len(cell.initial_state(1))
    tensors = further_tensors(cell)
    widths = tuple(value.numel() // hidden_size for value in tensors.values())
    aten = _aten_graph(cell, features, sides, parts)
    graph = Graph()
    given = [
        *(_leaves(graph, side, gates) for side in ("input_gate", "recurrent_gate")[:sides]),
        *(Value((graph.leaf("state", index),)) for index in range(parts)),
        *_registers(graph, widths),
    ]
    arithmetic = Arithmetic(graph, hidden_size)
    state_gradients = [Value((graph.leaf("state_gradient", index),)) for index in range(parts)]
    results = _interpret(aten, arithmetic, [*given, Value((graph.leaf("output_gradient"),)), *state_gradients])
    if results[0].parts == results[1].parts:
        # The output is the hidden state: the kernel adds the gradients of both before this computation.
        results = _interpret(aten, arithmetic, [*given, arithmetic.number(0.0), *state_gradients])
    outputs, gradients = results[: 1 + parts], results[1 + parts :]
    constants = [arithmetic.number(0.0)] * (len(tensors) - (len(gradients) - sides - parts))  # gradients of buffers
    shared = zip([*gradients[sides + parts :], *constants], widths, strict=True)
    return Trace(
        gates,
        tuple(_one(value) for value in outputs),
        _as_wide(gradients[0], gates),
        _as_wide(gradients[1], gates) if has_product else (),
        tuple(_one(value) for value in gradients[sides : sides + parts]),
        tuple(node for value, width in shared for node in _as_wide(value, width)),
    )


def _aten_graph(cell: CompilableCell, features: int, sides: int, parts: int) -> torch.fx.GraphModule:
    """Return a step and its gradients as aten operations, traced on tensors without data."""
    rows = 2 * features + 1  # differs from the length of every other axis
    state = cell.initial_state(rows)
    if any(part.dtype != torch.float32 or part.shape != (rows, cell.hidden_size) for part in state):
        raise UntraceableError("a state that is not one number for each hidden unit")
    pointwise = _Pointwise(cell, cast("Callable[..., tuple[Any, ...]]", type(state)))
    tensors = further_tensors(cell)
    buffers = [name for name, _ in cell.named_buffers() if name in tensors]  # the last ones
    # Copies, since the tracer treats a tensor that is passed twice as one argument.
    gates = [torch.zeros(rows, features) for _ in range(sides)]
    examples = [*gates, *(part.clone() for part in state), *(value.detach().clone() for value in tensors.values())]
    cotangents = [torch.zeros(rows, cell.hidden_size) for _ in range(1 + parts)]

    def run(*given: Tensor) -> tuple[Tensor, ...]:
        arguments, values = given[: sides + parts], given[sides + parts :]
        named = {f"cell.{name}": value for name, value in zip(tensors, values, strict=True)}
        return cast("tuple[Tensor, ...]", torch.func.functional_call(pointwise, named, arguments))

    def run_both_ways(given: Sequence[Tensor], gradients: Sequence[Tensor]) -> tuple[Any, Any]:
        count = len(given) - len(buffers)
        results, pull_back = cast(
            "tuple[Any, Any]", torch.func.vjp(lambda *own: run(*own, *given[count:]), *given[:count])
        )
        return results, pull_back(tuple(gradients))

    # The gradients of slices write in place, which this removes.
    pure = torch.func.functionalize(run_both_ways)
    decompositions = cast("dict[Any, Any]", core_aten_decompositions())
    needed = {operation: function for operation, function in decompositions.items() if operation not in FUNCTIONS}
    try:
        return make_fx(pure, decomposition_table=needed, tracing_mode="fake")(examples, cotangents)
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        message = str(error).partition("\n")[0]
        branches = "data-dependent" in message
        reason = "a branch that depends on the data" if branches else f"what torch cannot trace: {message}"
        raise UntraceableError(reason + place_of_error(error)) from error


class _Pointwise(nn.Module):
    """The `pointwise` of a cell as a function of plain tensors."""

    def __init__(self, cell: CompilableCell, state_type: Callable[..., tuple[Any, ...]]) -> None:
        super().__init__()
        self.cell = cell
        self.state_type = state_type
        self.sides = 2 if isinstance(cell, FactoredCell) else 1

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """Return the output and the tensors of the next state, from the sides of the gates and the state."""
        pointwise = cast("Callable[..., tuple[Tensor, tuple[Tensor, ...]]]", self.cell.pointwise)
        with record_places():
            output, after = pointwise(*arguments[: self.sides], self.state_type(*arguments[self.sides :]))
        return output, *after


def _leaves(graph: Graph, operation: str, count: int) -> Value:
    return Value(tuple(graph.leaf(operation, index) for index in range(count)))


def _registers(graph: Graph, widths: Sequence[int]) -> list[Value]:
    """Return the parameters as values; their registers are numbered in one row."""
    stops = list(accumulate(widths))
    return [
        Value(tuple(graph.leaf("parameter", index) for index in range(stop - width, stop)), "shared")
        for stop, width in zip(stops, widths, strict=True)
    ]


def _as_wide(value: Value, width: int) -> tuple[Node, ...]:
    """Return the nodes of a value; a constant, such as a missing gradient, is repeated."""
    return value.parts * width if len(value.parts) == 1 else value.parts


def _one(value: Value) -> Node:
    (node, *more) = value.parts
    if more:
        raise UntraceableError("an output that is not one number for each hidden unit")
    return node


def _interpret(graph: torch.fx.GraphModule, arithmetic: Arithmetic, inputs: Sequence[Value]) -> list[Value]:
    """Evaluate a graph of torch on values.

    Args:
        graph: Graph of aten operations.
        arithmetic: Arithmetic on values.
        inputs: Values of the graph's placeholders, in order.

    Returns:
        The results in order, with 0 for None.
    """
    known: dict[torch.fx.Node, Any] = {}
    waiting = iter(inputs)
    results: list[Value] = []
    for node in graph.graph.nodes:
        match node.op:
            case "placeholder":
                known[node] = next(waiting)
            case "get_attr":
                known[node] = _constant(getattr(graph, cast("str", node.target)), arithmetic)
            case "output":
                flat = _pytree.tree_flatten(node.args[0])[0]
                results = [arithmetic.number(0.0 if each is None else known[each]) for each in flat]
            case _:
                arguments, options = cast("Any", torch.fx).map_arg((node.args, node.kwargs), known.__getitem__)
                try:
                    known[node] = _evaluated(node, arguments, options, arithmetic)
                except UntraceableError as error:
                    raise UntraceableError(f"{error}{place_of_node(node)}") from error
    return results


def _evaluated(
    node: torch.fx.Node, arguments: Sequence[Any], options: Mapping[str, Any], arithmetic: Arithmetic
) -> Any:
    if node.target is operator.getitem:
        return arguments[0][arguments[1]]
    function = FUNCTIONS.get(node.target)
    if function is None:
        raise UntraceableError(f"the operation {name_of(node.target)}")
    try:
        result = function(arithmetic, *arguments, **options)
    except TypeError as error:
        raise UntraceableError(f"the operation {name_of(node.target)} with these options: {error}") from error
    shape = node.meta.get("val")
    return arithmetic.as_wide(result, shape) if isinstance(shape, Tensor) else result


def _constant(tensor: Any, arithmetic: Arithmetic) -> Value:
    if not isinstance(tensor, Tensor) or tensor.numel() != 1:
        raise UntraceableError("a tensor that is neither a parameter nor a buffer of one number for each hidden unit")
    return arithmetic.number(float(tensor))

"""A cell's pointwise part and its gradients, as nodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, cast

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions
from torch.fx.experimental.proxy_tensor import make_fx

from seqforge.cells import ElementwisePart
from seqforge.interfaces import FactoredCell
from seqforge_native.layout import further_parameters
from seqforge_native.traced.arithmetic import Arithmetic
from seqforge_native.traced.expression import Graph, Node
from seqforge_native.traced.interpretation import interpret
from seqforge_native.traced.operations import FUNCTIONS
from seqforge_native.traced.values import UntraceableError, Value

MOST_GATES = 12
"""Of a hidden unit: as many registers as the narrowest instruction set has for the sums of one row."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What one step computes of one hidden unit.

    Attributes:
        gates: Of a unit.
        outputs: The output, and the state after the step.
        input_gates: Gradients of the inputs' gates.
        recurrent_gates: Gradients of the product's gates.
        state: Gradients of the state before the step.
        parameters: Gradients of the registers of parameters, to be summed over the rows.
    """

    gates: int
    outputs: tuple[Node, ...]
    input_gates: tuple[Node, ...]
    recurrent_gates: tuple[Node, ...]
    state: tuple[Node, ...]
    parameters: tuple[Node, ...]

    @property
    def gradients(self) -> tuple[Node, ...]:
        """All that the backward pass computes."""
        return (*self.input_gates, *self.recurrent_gates, *self.state, *self.parameters)

    @property
    def writes_hidden(self) -> bool:
        """Whether the output is the new hidden state, the first of the state."""
        return self.outputs[0] is self.outputs[1]


def trace(cell: FactoredCell[Any]) -> Trace:
    """Follow a cell's pointwise part forward and backward.

    Args:
        cell: Its parameters are in float32.

    Raises:
        UntraceableError: Where it is more than arithmetic within each hidden unit.
    """
    if type(cell).project is not FactoredCell.project:
        raise UntraceableError("gates that are not W x + b")
    hidden_size = cell.hidden_size
    gates, rest = divmod(len(cell.bias), hidden_size)
    if rest or not 0 < gates <= MOST_GATES:
        raise UntraceableError(f"{len(cell.bias)} gates of {hidden_size} hidden units")
    parts = len(cell.initial_state(1))
    widths = tuple(_width(value, hidden_size) for _, value in further_parameters(cell))
    made = _followed(cell, parts)
    graph = Graph()
    given = [
        _leaves(graph, "input_gate", gates),
        _leaves(graph, "recurrent_gate", gates),
        *(Value((graph.leaf("state", index),)) for index in range(parts)),
        *_registers(graph, widths),
    ]
    arithmetic = Arithmetic(graph, hidden_size)
    state_gradients = [Value((graph.leaf("state_gradient", index),)) for index in range(parts)]
    results = interpret(made, arithmetic, [*given, Value((graph.leaf("output_gradient"),)), *state_gradients])
    if results[0].parts == results[1].parts:
        # The output is the hidden state, and the kernel adds the gradients of the two before.
        results = interpret(made, arithmetic, [*given, arithmetic.number(0.0), *state_gradients])
    outputs, (input_gates, recurrent_gates, *others) = results[: 1 + parts], results[1 + parts :]
    return Trace(
        gates,
        tuple(_one(value) for value in outputs),
        _as_wide(input_gates, gates),
        _as_wide(recurrent_gates, gates),
        tuple(_one(value) for value in others[:parts]),
        tuple(node for value, width in zip(others[parts:], widths, strict=True) for node in _as_wide(value, width)),
    )


def _followed(cell: FactoredCell[Any], parts: int) -> torch.fx.GraphModule:
    """Let torch follow a step and its gradients, on tensors without numbers."""
    rows = 2 * len(cell.bias) + 1  # no length of another axis
    state = cell.initial_state(rows)
    if any(part.dtype != torch.float32 or part.shape != (rows, cell.hidden_size) for part in state):
        raise UntraceableError("a state that is not one number for each hidden unit")
    pointwise = ElementwisePart(cell, torch.float32, cast("Callable[..., tuple[Any, ...]]", type(state)))
    learnt = further_parameters(cell)
    # A tensor given twice would be taken for one argument: each is a copy.
    gates = [torch.zeros(rows, len(cell.bias)) for _ in range(2)]
    examples = [*gates, *(part.clone() for part in state), *(value.detach() for _, value in learnt)]
    cotangents = [torch.zeros(rows, cell.hidden_size) for _ in range(1 + parts)]

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        arguments, values = tensors[: 2 + parts], tensors[2 + parts :]
        named = {f"cell.{name}": value for (name, _), value in zip(learnt, values, strict=True)}
        results = cast("tuple[Tensor, ...]", torch.func.functional_call(pointwise, named, arguments))
        return results[0], *results[2:]  # the second is the hidden state again, to be multiplied

    def run_both_ways(tensors: Sequence[Tensor], gradients: Sequence[Tensor]) -> tuple[Any, Any]:
        results, pull_back = cast("tuple[Any, Any]", torch.func.vjp(run, *tensors))
        return results, pull_back(tuple(gradients))

    # Without writing in place, which the gradients of slices do.
    pure = torch.func.functionalize(run_both_ways)
    parts_of = cast("dict[Any, Any]", core_aten_decompositions())
    taken_apart = {name: parts for name, parts in parts_of.items() if name not in FUNCTIONS}
    follow = make_fx(pure, decomposition_table=taken_apart, tracing_mode="fake")
    try:
        return follow(examples, cotangents)
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        raise UntraceableError(str(error).partition("\n")[0]) from error


def _leaves(graph: Graph, operation: str, count: int) -> Value:
    return Value(tuple(graph.leaf(operation, index) for index in range(count)))


def _registers(graph: Graph, widths: Sequence[int]) -> list[Value]:
    """Number the registers of all parameters in one row."""
    stops = list(accumulate(widths))
    return [
        Value(tuple(graph.leaf("parameter", index) for index in range(stop - width, stop)), "shared")
        for stop, width in zip(stops, widths, strict=True)
    ]


def _width(parameter: Tensor, hidden_size: int) -> int:
    in_a_row = parameter.ndim > 0 and parameter.shape[-1] == parameter.numel()
    if not in_a_row or parameter.numel() % hidden_size:
        raise UntraceableError("a parameter that is not one number for each hidden unit")
    return parameter.numel() // hidden_size


def _as_wide(value: Value, width: int) -> tuple[Node, ...]:
    """Repeat a number that is known beforehand, such as no gradient."""
    return value.parts * width if len(value.parts) == 1 else value.parts


def _one(value: Value) -> Node:
    (node, *more) = value.parts
    if more:
        raise UntraceableError("an output that is not one number for each hidden unit")
    return node

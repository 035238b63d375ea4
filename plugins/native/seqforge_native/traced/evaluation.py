"""The evaluation of a recorded function on values, which turns its aten operations into those of a kernel."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils import _pytree

from seqforge_native.traced.operations import FUNCTIONS
from seqforge_native.traced.recording import OTHER_TENSOR, location_of_node, operation_name
from seqforge_native.traced.values import Arithmetic, Elementwise, UntraceableError, Value


def evaluate(
    graph: torch.fx.GraphModule,
    arithmetic: Elementwise,
    inputs: Sequence[Any],
    functions: Mapping[Any, Callable[..., Any]],
    check: Callable[[torch.fx.Node, Any], Any] = lambda _, value: value,
) -> list[Any]:
    """Evaluate aten operations on values.

    Args:
        graph: Graph of aten operations.
        arithmetic: Arithmetic on values.
        inputs: Values of the graph's placeholders, in order.
        functions: Function of each operation, which takes the arithmetic and the arguments.
        check: Function that returns the value of a node from the result of its operation.

    Returns:
        The results in order, with 0 for None.

    Raises:
        UntraceableError: If a kernel cannot compute an operation.
    """
    known: dict[torch.fx.Node, Any] = {}
    waiting = iter(inputs)
    results: list[Any] = []
    for node in graph.graph.nodes:
        try:
            match node.op:
                case "placeholder":
                    known[node] = next(waiting)
                case "get_attr":
                    known[node] = _constant(getattr(graph, cast("str", node.target)), arithmetic)
                case "output":
                    flat = _pytree.tree_flatten(node.args[0])[0]
                    results = [arithmetic.as_value(0.0 if each is None else known[each]) for each in flat]
                case _:
                    arguments, options = cast("Any", torch.fx).map_arg((node.args, node.kwargs), known.__getitem__)
                    value = compute(node.target, arithmetic, arguments, options, functions)
                    known[node] = check(node, value)
        except UntraceableError as error:
            raise UntraceableError(f"{error}{location_of_node(node)}") from error
    return results


def compute(
    operation: Any,
    arithmetic: Elementwise,
    arguments: Sequence[Any],
    options: Mapping[str, Any],
    functions: Mapping[Any, Callable[..., Any]],
) -> Any:
    """Return the result of an operation on values.

    Raises:
        UntraceableError: If there is no function for it, or none for these arguments.
    """
    if operation is operator.getitem:
        return arguments[0][arguments[1]]
    if operation not in functions:
        raise UntraceableError(f"the operation {operation_name(operation)}")
    try:
        return functions[operation](arithmetic, *arguments, **options)
    except (TypeError, RuntimeError, IndexError) as error:
        raise UntraceableError(f"the operation {operation_name(operation)} with these options: {error}") from error


def evaluate_units(graph: torch.fx.GraphModule, arithmetic: Arithmetic, inputs: Sequence[Value]) -> list[Value]:
    """Evaluate aten operations on values of one hidden unit; see `evaluate`."""

    def check(node: torch.fx.Node, result: Any) -> Any:
        like = node.meta.get("val")
        if not isinstance(like, Tensor):
            return result
        name = operation_name(node.target)
        # Booleans are the numbers 0 and 1, so that arithmetic on them differs from that of torch: True + True is True.
        if like.dtype == torch.bool and not all(block.boolean for block in result.blocks):
            raise UntraceableError(f"the operation {name} with a boolean result")
        if like.dtype != torch.bool and name.startswith("bitwise"):
            raise UntraceableError(f"the operation {name} on integers")
        return arithmetic.with_shape(result, like)

    return evaluate(graph, arithmetic, inputs, FUNCTIONS, check)


def _constant(tensor: Any, arithmetic: Elementwise) -> Any:
    if not isinstance(tensor, Tensor) or tensor.numel() != 1:
        raise UntraceableError(OTHER_TENSOR)
    return arithmetic.as_value(float(tensor))

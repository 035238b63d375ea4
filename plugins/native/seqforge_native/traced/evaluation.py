"""The evaluation of a recorded step on values, which turns its aten operations into nodes of one hidden unit."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils import _pytree

from seqforge_native.traced.operations import FUNCTIONS
from seqforge_native.traced.recording import OTHER_TENSOR, location_of_node, operation_name
from seqforge_native.traced.values import Arithmetic, UntraceableError, Value


def evaluate(graph: torch.fx.GraphModule, arithmetic: Arithmetic, inputs: Sequence[Value]) -> list[Value]:
    """Evaluate aten operations on values.

    Args:
        graph: Graph of aten operations.
        arithmetic: Arithmetic on values.
        inputs: Values of the graph's placeholders, in order.

    Returns:
        The results in order, with 0 for None.

    Raises:
        UntraceableError: If a kernel cannot compute an operation.
    """
    known: dict[torch.fx.Node, Any] = {}
    waiting = iter(inputs)
    results: list[Value] = []
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
                    known[node] = _result(node, arguments, options, arithmetic)
        except UntraceableError as error:
            raise UntraceableError(f"{error}{location_of_node(node)}") from error
    return results


def _result(node: torch.fx.Node, arguments: Sequence[Any], options: Mapping[str, Any], arithmetic: Arithmetic) -> Any:
    if node.target is operator.getitem:
        result = arguments[0][arguments[1]]
    else:
        function: Callable[..., Any] | None = FUNCTIONS.get(node.target)
        if function is None:
            raise UntraceableError(f"the operation {operation_name(node.target)}")
        try:
            result = function(arithmetic, *arguments, **options)
        except TypeError as error:
            raise UntraceableError(
                f"the operation {operation_name(node.target)} with these options: {error}"
            ) from error
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


def _constant(tensor: Any, arithmetic: Arithmetic) -> Value:
    if not isinstance(tensor, Tensor) or tensor.numel() != 1:
        raise UntraceableError(OTHER_TENSOR)
    return arithmetic.as_value(float(tensor))

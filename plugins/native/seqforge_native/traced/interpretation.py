"""What torch followed, done on values."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils import _pytree

from seqforge_native.traced.arithmetic import Arithmetic
from seqforge_native.traced.operations import FUNCTIONS
from seqforge_native.traced.values import UntraceableError, Value


def interpret(followed: torch.fx.GraphModule, arithmetic: Arithmetic, inputs: Sequence[Value]) -> list[Value]:
    """Do every operation of a graph of torch's on values.

    Args:
        followed: The graph.
        arithmetic: Takes the operations.
        inputs: In the place of its arguments, in order.

    Returns:
        Its results in order; of those that torch says are none, zero.

    Raises:
        UntraceableError: Where an operation is not known.
    """
    known: dict[torch.fx.Node, Any] = {}
    waiting = iter(inputs)
    results: list[Value] = []
    for node in followed.graph.nodes:
        match node.op:
            case "placeholder":
                known[node] = next(waiting)
            case "get_attr":
                known[node] = _constant(getattr(followed, cast("str", node.target)), arithmetic)
            case "output":
                flat = _pytree.tree_flatten(node.args[0])[0]
                results = [arithmetic.number(0.0 if each is None else known[each]) for each in flat]
            case _:
                arguments, options = cast("Any", torch.fx).map_arg((node.args, node.kwargs), known.__getitem__)
                known[node] = _performed(node, arguments, options, arithmetic)
    return results


def _performed(
    node: torch.fx.Node, arguments: Sequence[Any], options: Mapping[str, Any], arithmetic: Arithmetic
) -> Any:
    if node.target is operator.getitem:
        return arguments[0][arguments[1]]
    function = FUNCTIONS.get(node.target)
    if function is None:
        raise UntraceableError(f"the operation {node.target}")
    try:
        result = function(arithmetic, *arguments, **options)
    except TypeError as error:
        raise UntraceableError(f"{node.target} with these options: {error}") from error
    shape = node.meta.get("val")
    return arithmetic.as_wide(result, shape) if isinstance(shape, Tensor) else result


def _constant(tensor: Any, arithmetic: Arithmetic) -> Value:
    if not isinstance(tensor, Tensor) or tensor.numel() != 1:
        raise UntraceableError("a constant of more than one number")
    return arithmetic.number(float(tensor))

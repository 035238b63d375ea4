"""The aten operations across hidden units, as functions on values: reductions and products with weights."""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import torch

from seqforge_native.traced.graph import Product
from seqforge_native.traced.values import Arithmetic, UntraceableError, Value

_aten = torch.ops.aten


def _sum(arithmetic: Arithmetic, value: Any, dims: Any = None, keepdim: bool = False, **_: Any) -> Value:
    value = arithmetic.as_value(value)
    if all(node.is_constant(0.0) for node in value.blocks):
        return value
    if list(dims or ()) == [0] and value.kind == "per_row":
        return Value(value.blocks, "summed")
    return _reduced("sum", arithmetic, value, dims)


def _reduced(operation: str, arithmetic: Arithmetic, value: Any, dims: Any, keepdim: bool = False) -> Value:
    """Return the sum or the largest number of the hidden units of each row, or of each head of a row."""
    value = arithmetic.as_value(value)
    count = _length(operation, arithmetic, value, dims)
    if value.uniform:
        return arithmetic.apply("mul", value, count) if operation == "sum" else value
    pairwise = "add" if operation == "sum" else "maximum"
    of_unit = reduce(partial(arithmetic.graph.apply, pairwise), value.blocks)
    return Value((arithmetic.graph.apply(operation, of_unit),))


def _length(operation: str, arithmetic: Arithmetic, value: Value, dims: Any) -> int:
    """Return how many numbers a reduction combines."""
    dims = [dims] if isinstance(dims, int) else list(dims or ())
    last = len(value.shape) - 1
    if value.kind != "per_row" or dims not in ([last], [-1]) or last < 1:
        raise UntraceableError(f"the operation {operation} over another axis than that of the hidden units")
    length = value.shape[-1]
    if last == 1 and arithmetic.heads > 1 and length > 1:
        raise UntraceableError(f"the operation {operation} over the hidden units of several heads")
    return length


def _smallest(arithmetic: Arithmetic, value: Any, dims: Any, keepdim: bool = False) -> Value:
    return arithmetic.apply("neg", _reduced("largest", arithmetic, arithmetic.apply("neg", value), dims))


def _mean(arithmetic: Arithmetic, value: Any, dims: Any, keepdim: bool = False, **_: Any) -> Value:
    value = arithmetic.as_value(value)
    count = _length("mean", arithmetic, value, dims)
    return arithmetic.apply("div", _reduced("sum", arithmetic, value, dims), count)


def _variance(
    arithmetic: Arithmetic, value: Any, dims: Any = None, *, correction: float | int | None = 1, keepdim: bool = False
) -> Value:
    value = arithmetic.as_value(value)
    count = _length("var", arithmetic, value, dims)
    rest = arithmetic.apply("sub", value, _mean(arithmetic, value, dims))
    total = _reduced("sum", arithmetic, arithmetic.apply("mul", rest, rest), dims)
    return arithmetic.apply("div", total, count - (1 if correction is None else correction))


def _norm(
    arithmetic: Arithmetic, value: Any, order: float | int = 2, dims: Any = None, keepdim: bool = False, **_: Any
) -> Value:
    value = arithmetic.as_value(value)
    if order not in (1, 2):
        raise UntraceableError(f"the norm of order {order}")
    if order == 2:
        return arithmetic.apply("sqrt", _sum(arithmetic, arithmetic.apply("mul", value, value), dims))
    return _sum(arithmetic, arithmetic.apply("maximum", value, arithmetic.apply("neg", value)), dims)


def _softmax(arithmetic: Arithmetic, value: Any, dim: int, half: bool = False) -> Value:
    exponentials = arithmetic.apply("exp", _below_largest(arithmetic, value, dim))
    return arithmetic.apply("div", exponentials, _reduced("sum", arithmetic, exponentials, dim))


def _log_softmax(arithmetic: Arithmetic, value: Any, dim: int, half: bool = False) -> Value:
    below = _below_largest(arithmetic, value, dim)
    total = _reduced("sum", arithmetic, arithmetic.apply("exp", below), dim)
    return arithmetic.apply("sub", below, arithmetic.apply("log", total))


def _log_sum_exp(arithmetic: Arithmetic, value: Any, dims: Any, keepdim: bool = False) -> Value:
    largest = _reduced("largest", arithmetic, value, dims)
    total = _reduced("sum", arithmetic, arithmetic.apply("exp", arithmetic.apply("sub", value, largest)), dims)
    return arithmetic.apply("add", arithmetic.apply("log", total), largest)


def _below_largest(arithmetic: Arithmetic, value: Value, dim: int) -> Value:
    return arithmetic.apply("sub", value, _reduced("largest", arithmetic, value, dim))


def _layer_norm(
    arithmetic: Arithmetic, value: Any, shape: Sequence[int], weight: Any, bias: Any, epsilon: float | int
) -> tuple[Value, Value, Value]:
    """Return the normalized numbers, their mean, and the reciprocal of their standard deviation."""
    value, dims = arithmetic.as_value(value), [-1] * len(shape)
    mean = _mean(arithmetic, value, dims)
    variance = _variance(arithmetic, value, dims, correction=0)
    slope = arithmetic.apply("div", 1.0, arithmetic.apply("sqrt", arithmetic.apply("add", variance, epsilon)))
    result = arithmetic.apply("mul", arithmetic.apply("sub", value, mean), slope)
    if weight is not None:
        result = arithmetic.apply("mul", result, weight)
    return result if bias is None else arithmetic.apply("add", result, bias), mean, slope


def _transposed(arithmetic: Arithmetic, value: Any, order: Sequence[int]) -> Value:
    value = arithmetic.as_value(value)
    if list(order) != [1, 0] or value.kind not in ("per_row", "weight", "outer"):
        raise UntraceableError("the operation permute")
    return Value(value.blocks, value.kind, not value.transposed, value.shape[::-1])


def _matrix_product(arithmetic: Arithmetic, left: Any, right: Any) -> Value:
    """Multiply numbers of the hidden units by a weight, or compute the gradient of one."""
    graph, left, right = arithmetic.graph, arithmetic.as_value(left), arithmetic.as_value(right)
    if any(value.blocks[0].is_constant(0.0) for value in (left, right)):
        return arithmetic.as_value(0.0)
    if (left.kind, right.kind, left.transposed) == ("per_row", "weight", False):
        blocks = [node.index for node in right.blocks]
        inputs = 1 if right.transposed else len(blocks)
        if len(left.blocks) == inputs and blocks == list(range(blocks[0], blocks[0] + len(blocks))):
            span = (blocks[0], blocks[-1] + 1)
            return Value(graph.product(Product(span, right.transposed, left.blocks)))
    if (left.kind, right.kind, left.transposed, right.transposed) == ("per_row", "per_row", True, False):
        if len(right.blocks) == 1:
            return Value(tuple(graph.apply("outer", node, right.blocks[0]) for node in left.blocks), "outer")
        if len(left.blocks) == 1:
            outer = tuple(graph.apply("outer", node, left.blocks[0]) for node in right.blocks)
            return Value(outer, "outer", transposed=True)
    raise UntraceableError("a product that is not one of hidden units with a weight [hidden or a multiple, hidden]")


def _added_product(
    arithmetic: Arithmetic, added: Any, left: Any, right: Any, *, beta: float | int = 1, alpha: float | int = 1
) -> Value:
    scaled = arithmetic.apply("mul", _matrix_product(arithmetic, left, right), alpha)
    return arithmetic.apply("add", arithmetic.apply("mul", added, beta), scaled)


ACROSS_UNITS: dict[Any, Callable[..., Any]] = {
    _aten.sum.dim_IntList: _sum,
    _aten.mean.dim: _mean,
    _aten.var.correction: _variance,
    _aten.linalg_vector_norm.default: _norm,
    _aten.amax.default: partial(_reduced, "largest"),
    _aten.amin.default: _smallest,
    _aten.logsumexp.default: _log_sum_exp,
    _aten._softmax.default: _softmax,
    _aten._log_softmax.default: _log_softmax,
    _aten.native_layer_norm.default: _layer_norm,
    _aten.permute.default: _transposed,
    _aten.mm.default: _matrix_product,
    _aten.addmm.default: _added_product,
}
"""Function of every traceable operation across hidden units."""

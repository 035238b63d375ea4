"""The aten operations across hidden units, as functions on values: reductions and products with weights."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from seqforge_native.traced.graph import Product
from seqforge_native.traced.values import Arithmetic, Reducing, UntraceableError, Value

_aten = torch.ops.aten


def _sum(arithmetic: Reducing, value: Any, dims: Any = None, keepdim: bool = False, **_: Any) -> Any:
    return arithmetic.reduce("sum", value, dims, keepdim)


def _smallest(arithmetic: Reducing, value: Any, dims: Any, keepdim: bool = False) -> Any:
    return arithmetic.apply("neg", arithmetic.reduce("largest", arithmetic.apply("neg", value), dims, keepdim))


def _mean(arithmetic: Reducing, value: Any, dims: Any = None, keepdim: bool = False, **_: Any) -> Any:
    total = arithmetic.reduce("sum", value, dims, keepdim)
    return arithmetic.apply("div", total, arithmetic.count(value, dims))


def _variance(
    arithmetic: Reducing, value: Any, dims: Any = None, *, correction: float | int | None = 1, keepdim: bool = False
) -> Any:
    rest = arithmetic.apply("sub", value, _mean(arithmetic, value, dims, True))
    total = arithmetic.reduce("sum", arithmetic.apply("mul", rest, rest), dims, keepdim)
    return arithmetic.apply("div", total, arithmetic.count(value, dims) - (1 if correction is None else correction))


def _norm(
    arithmetic: Reducing, value: Any, order: float | int = 2, dims: Any = None, keepdim: bool = False, **_: Any
) -> Any:
    if order not in (1, 2):
        raise UntraceableError(f"the norm of order {order}")
    if order == 2:
        squares = arithmetic.apply("mul", value, value)
        return arithmetic.apply("sqrt", arithmetic.reduce("sum", squares, dims, keepdim))
    sizes = arithmetic.apply("maximum", value, arithmetic.apply("neg", value))
    return arithmetic.reduce("sum", sizes, dims, keepdim)


def _largest(arithmetic: Reducing, value: Any, dims: Any = None, keepdim: bool = False) -> Any:
    return arithmetic.reduce("largest", value, dims, keepdim)


def _softmax(arithmetic: Reducing, value: Any, dim: int, half: bool = False) -> Any:
    exponentials = arithmetic.apply("exp", _below_largest(arithmetic, value, [dim]))
    return arithmetic.apply("div", exponentials, arithmetic.reduce("sum", exponentials, [dim], True))


def _log_softmax(arithmetic: Reducing, value: Any, dim: int, half: bool = False) -> Any:
    below = _below_largest(arithmetic, value, [dim])
    total = arithmetic.reduce("sum", arithmetic.apply("exp", below), [dim], True)
    return arithmetic.apply("sub", below, arithmetic.apply("log", total))


def _log_sum_exp(arithmetic: Reducing, value: Any, dims: Any, keepdim: bool = False) -> Any:
    exponentials = arithmetic.apply("exp", _below_largest(arithmetic, value, dims))
    logarithm = arithmetic.apply("log", arithmetic.reduce("sum", exponentials, dims, keepdim))
    return arithmetic.apply("add", logarithm, arithmetic.reduce("largest", value, dims, keepdim))


def _below_largest(arithmetic: Reducing, value: Any, dims: Any) -> Any:
    return arithmetic.apply("sub", value, arithmetic.reduce("largest", value, dims, True))


def _layer_norm(
    arithmetic: Reducing, value: Any, shape: Sequence[int], weight: Any, bias: Any, epsilon: float | int
) -> tuple[Any, Any, Any]:
    """Return the normalized numbers, their mean, and the reciprocal of their standard deviation."""
    dims = [-1 - index for index in range(len(shape))]
    mean = _mean(arithmetic, value, dims, True)
    variance = _variance(arithmetic, value, dims, correction=0, keepdim=True)
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


REDUCTIONS: dict[Any, Callable[..., Any]] = {
    _aten.sum.dim_IntList: _sum,
    _aten.mean.dim: _mean,
    _aten.var.correction: _variance,
    _aten.linalg_vector_norm.default: _norm,
    _aten.amax.default: _largest,
    _aten.amin.default: _smallest,
    _aten.logsumexp.default: _log_sum_exp,
    _aten._softmax.default: _softmax,
    _aten._log_softmax.default: _log_softmax,
    _aten.native_layer_norm.default: _layer_norm,
}
"""Functions that need only what `Reducing` has, so that they compute on values of other kinds too."""

ACROSS_UNITS: dict[Any, Callable[..., Any]] = {
    **REDUCTIONS,
    _aten.permute.default: _transposed,
    _aten.mm.default: _matrix_product,
    _aten.addmm.default: _added_product,
}
"""Function of every traceable operation across hidden units."""

"""The aten operations along axes of a tensor, as functions on values."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from seqforge_native.row_programs.builder import Builder
from seqforge_native.row_programs.memory import UntraceableError

_aten = torch.ops.aten


def _sum(builder: Builder, value: Any, dims: Any = None, keepdim: bool = False, **_: Any) -> Any:
    return builder.reduce("sum", value, dims, keepdim)


def _smallest(builder: Builder, value: Any, dims: Any, keepdim: bool = False) -> Any:
    return builder.apply("neg", builder.reduce("largest", builder.apply("neg", value), dims, keepdim))


def _mean(builder: Builder, value: Any, dims: Any = None, keepdim: bool = False, **_: Any) -> Any:
    total = builder.reduce("sum", value, dims, keepdim)
    return builder.apply("div", total, builder.count(value, dims))


def _variance(
    builder: Builder, value: Any, dims: Any = None, *, correction: float | int | None = 1, keepdim: bool = False
) -> Any:
    rest = builder.apply("sub", value, _mean(builder, value, dims, True))
    total = builder.reduce("sum", builder.apply("mul", rest, rest), dims, keepdim)
    return builder.apply("div", total, builder.count(value, dims) - (1 if correction is None else correction))


def _norm(
    builder: Builder, value: Any, order: float | int = 2, dims: Any = None, keepdim: bool = False, **_: Any
) -> Any:
    if order not in (1, 2):
        raise UntraceableError(f"the norm of order {order}")
    if order == 2:
        squares = builder.apply("mul", value, value)
        return builder.apply("sqrt", builder.reduce("sum", squares, dims, keepdim))
    sizes = builder.apply("maximum", value, builder.apply("neg", value))
    return builder.reduce("sum", sizes, dims, keepdim)


def _largest(builder: Builder, value: Any, dims: Any = None, keepdim: bool = False) -> Any:
    return builder.reduce("largest", value, dims, keepdim)


def _softmax(builder: Builder, value: Any, dim: int, half: bool = False) -> Any:
    exponentials = builder.apply("exp", _below_largest(builder, value, [dim]))
    return builder.apply("div", exponentials, builder.reduce("sum", exponentials, [dim], True))


def _log_softmax(builder: Builder, value: Any, dim: int, half: bool = False) -> Any:
    below = _below_largest(builder, value, [dim])
    total = builder.reduce("sum", builder.apply("exp", below), [dim], True)
    return builder.apply("sub", below, builder.apply("log", total))


def _log_sum_exp(builder: Builder, value: Any, dims: Any, keepdim: bool = False) -> Any:
    exponentials = builder.apply("exp", _below_largest(builder, value, dims))
    logarithm = builder.apply("log", builder.reduce("sum", exponentials, dims, keepdim))
    return builder.apply("add", logarithm, builder.reduce("largest", value, dims, keepdim))


def _below_largest(builder: Builder, value: Any, dims: Any) -> Any:
    return builder.apply("sub", value, builder.reduce("largest", value, dims, True))


def _layer_norm(
    builder: Builder, value: Any, shape: Sequence[int], weight: Any, bias: Any, epsilon: float | int
) -> tuple[Any, Any, Any]:
    """Return the normalized numbers, their mean, and the reciprocal of their standard deviation."""
    dims = [-1 - index for index in range(len(shape))]
    mean = _mean(builder, value, dims, True)
    variance = _variance(builder, value, dims, correction=0, keepdim=True)
    slope = builder.apply("div", 1.0, builder.apply("sqrt", builder.apply("add", variance, epsilon)))
    result = builder.apply("mul", builder.apply("sub", value, mean), slope)
    if weight is not None:
        result = builder.apply("mul", result, weight)
    return result if bias is None else builder.apply("add", result, bias), mean, slope


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
"""Functions of the operations along axes."""

"""The elementwise aten operations, as functions on values."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from seqforge_native.row_programs.builder import Builder
from seqforge_native.row_programs.memory import UntraceableError

_aten = torch.ops.aten


def _elementwise(operation: str, builder: Builder, *values: Any) -> Any:
    return builder.apply(operation, *values)


def _swapped(operation: str, builder: Builder, left: Any, right: Any) -> Any:
    return builder.apply(operation, right, left)


def _from_constant(operation: str, number: float, builder: Builder, value: Any) -> Any:
    return builder.apply(operation, number, value)


def _scaled(operation: str, builder: Builder, left: Any, right: Any, *, alpha: float | int = 1) -> Any:
    return builder.apply(operation, left, right if alpha == 1 else builder.apply("mul", right, alpha))


def _absolute(builder: Builder, value: Any) -> Any:
    return builder.apply("maximum", value, builder.apply("neg", value))


def _sign(builder: Builder, value: Any) -> Any:
    sides = [builder.apply("greater", *pair) for pair in ((value, 0.0), (0.0, value))]
    return builder.apply("sub", *sides)


def _not_equal(builder: Builder, left: Any, right: Any) -> Any:
    return builder.apply("sub", 1.0, _equal(builder, left, right))


def _power(builder: Builder, value: Any, exponent: Any) -> Any:
    if exponent in (0.5, -0.5):
        root = builder.apply("sqrt", value)
        return root if exponent > 0 else builder.apply("div", 1.0, root)
    if exponent not in (1, 2, 3):
        raise UntraceableError(f"the power {exponent}")
    result = builder.as_value(value)
    for _ in range(int(exponent) - 1):
        result = builder.apply("mul", result, value)
    return result


def _reciprocal_root(builder: Builder, value: Any) -> Any:
    return builder.apply("div", 1.0, builder.apply("sqrt", value))


def _threshold_gradient(builder: Builder, gradient: Any, value: Any, threshold: float | int) -> Any:
    return builder.apply("where", builder.apply("greater", value, threshold), gradient, 0.0)


def _clamped(builder: Builder, value: Any, least: Any = None, most: Any = None) -> Any:
    value = value if least is None else builder.apply("maximum", value, least)
    return value if most is None else builder.apply("minimum", value, most)


def _equal(builder: Builder, left: Any, right: Any) -> Any:
    sides = [builder.apply("at_least_as_great", *pair) for pair in ((left, right), (right, left))]
    return builder.apply("mul", *sides)


def _multiplied_and_added(builder: Builder, added: Any, left: Any, right: Any, *, value: float | int = 1) -> Any:
    return _scaled("add", builder, added, builder.apply("mul", left, right), alpha=value)


_OF_TENSORS_OR_SCALARS: dict[str, Callable[..., Any]] = {
    "add": partial(_scaled, "add"),
    "sub": partial(_scaled, "sub"),
    "mul": partial(_elementwise, "mul"),
    "div": partial(_elementwise, "div"),
    "gt": partial(_elementwise, "greater"),
    "lt": partial(_swapped, "greater"),
    "ge": partial(_elementwise, "at_least_as_great"),
    "le": partial(_swapped, "at_least_as_great"),
    "eq": _equal,
    "ne": _not_equal,
}

ELEMENTWISE: dict[Any, Callable[..., Any]] = {
    **{
        getattr(getattr(_aten, name), overload): function
        for name, function in _OF_TENSORS_OR_SCALARS.items()
        for overload in ("Tensor", "Scalar")
    },
    **{
        getattr(_aten, name).default: partial(_elementwise, name)
        for name in ("neg", "exp", "log", "log1p", "sigmoid", "tanh", "sqrt", "maximum", "minimum")
    },
    _aten.where.self: partial(_elementwise, "where"),
    _aten.relu.default: partial(_from_constant, "maximum", 0.0),
    _aten.reciprocal.default: partial(_from_constant, "div", 1.0),
    _aten.bitwise_not.default: partial(_from_constant, "sub", 1.0),
    _aten.logical_not.default: partial(_from_constant, "sub", 1.0),
    _aten.bitwise_and.Tensor: partial(_elementwise, "mul"),
    _aten.logical_and.default: partial(_elementwise, "mul"),
    _aten.bitwise_or.Tensor: partial(_elementwise, "maximum"),
    _aten.logical_or.default: partial(_elementwise, "maximum"),
    _aten.abs.default: _absolute,
    _aten.sign.default: _sign,
    _aten.pow.Tensor_Scalar: _power,
    _aten.clamp.default: _clamped,
    _aten.rsqrt.default: _reciprocal_root,
    _aten.addcmul.default: _multiplied_and_added,
    _aten.threshold_backward.default: _threshold_gradient,
}
"""Functions of the elementwise operations."""

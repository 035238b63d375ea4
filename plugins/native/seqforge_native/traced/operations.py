"""The aten operations that can be traced, as functions on values."""

from collections.abc import Callable
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import torch

from seqforge_native.traced.across_units import ACROSS_UNITS
from seqforge_native.traced.values import Arithmetic, Elementwise, UntraceableError, Value, joined

_aten = torch.ops.aten

_NO_END = 1 << 62


def _elementwise(operation: str, arithmetic: Elementwise, *values: Any) -> Any:
    return arithmetic.apply(operation, *values)


def _swapped(operation: str, arithmetic: Elementwise, left: Any, right: Any) -> Any:
    return arithmetic.apply(operation, right, left)


def _from_constant(operation: str, number: float, arithmetic: Elementwise, value: Any) -> Any:
    return arithmetic.apply(operation, number, value)


def _scaled(operation: str, arithmetic: Elementwise, left: Any, right: Any, *, alpha: float | int = 1) -> Any:
    return arithmetic.apply(operation, left, right if alpha == 1 else arithmetic.apply("mul", right, alpha))


def _first_argument(arithmetic: Arithmetic, value: Any, *_: Any, dtype: Any = None, **__: Any) -> Value:
    number = arithmetic.as_value(value)
    whole = all(node.operation == "constant" and node.value.is_integer() for node in number.blocks)
    if dtype not in (None, torch.float32) and not whole:
        raise UntraceableError(f"numbers of {dtype}")
    return number


def _second_argument(arithmetic: Arithmetic, _: Any, value: Any, *__: Any, dtype: Any = None, **___: Any) -> Value:
    return _first_argument(arithmetic, value, dtype=dtype)


def _absolute(arithmetic: Elementwise, value: Any) -> Any:
    return arithmetic.apply("maximum", value, arithmetic.apply("neg", value))


def _sign(arithmetic: Elementwise, value: Any) -> Any:
    sides = [arithmetic.apply("greater", *pair) for pair in ((value, 0.0), (0.0, value))]
    return arithmetic.apply("sub", *sides)


def _not_equal(arithmetic: Elementwise, left: Any, right: Any) -> Any:
    return arithmetic.apply("sub", 1.0, _equal(arithmetic, left, right))


def _zeros(arithmetic: Arithmetic, *_: Any, dtype: Any = None, **__: Any) -> Value:
    return _first_argument(arithmetic, 0.0, dtype=dtype)


def _power(arithmetic: Elementwise, value: Any, exponent: Any) -> Any:
    if exponent in (0.5, -0.5):
        root = arithmetic.apply("sqrt", value)
        return root if exponent > 0 else arithmetic.apply("div", 1.0, root)
    if exponent not in (1, 2, 3):
        raise UntraceableError(f"the power {exponent}")
    result = arithmetic.as_value(value)
    for _ in range(int(exponent) - 1):
        result = arithmetic.apply("mul", result, value)
    return result


def _reciprocal_root(arithmetic: Elementwise, value: Any) -> Any:
    return arithmetic.apply("div", 1.0, arithmetic.apply("sqrt", value))


def _threshold_gradient(arithmetic: Elementwise, gradient: Any, value: Any, threshold: float | int) -> Any:
    return arithmetic.apply("where", arithmetic.apply("greater", value, threshold), gradient, 0.0)


def _clamped(arithmetic: Elementwise, value: Any, least: Any = None, most: Any = None) -> Any:
    value = value if least is None else arithmetic.apply("maximum", value, least)
    return value if most is None else arithmetic.apply("minimum", value, most)


def _equal(arithmetic: Elementwise, left: Any, right: Any) -> Any:
    sides = [arithmetic.apply("at_least_as_great", *pair) for pair in ((left, right), (right, left))]
    return arithmetic.apply("mul", *sides)


def _multiplied_and_added(arithmetic: Elementwise, added: Any, left: Any, right: Any, *, value: float | int = 1) -> Any:
    return _scaled("add", arithmetic, added, arithmetic.apply("mul", left, right), alpha=value)


def _slice(arithmetic: Arithmetic, value: Any, *bounds: Any, **options: Any) -> Value:
    value = arithmetic.as_value(value)
    return Value(value.blocks[_sliced_blocks(arithmetic, value, *bounds, **options)], value.kind)


def _slice_replaced(arithmetic: Arithmetic, value: Any, source: Any, *bounds: Any, **options: Any) -> Value:
    value, source = _of_one_kind(arithmetic, value, source)
    first, last, _ = _sliced_blocks(arithmetic, value, *bounds, **options).indices(len(value.blocks))
    return joined([value.slice(0, first), source, value.slice(last, len(value.blocks))])


def _sliced_blocks(
    arithmetic: Arithmetic, value: Value, dim: int = 0, start: int | None = 0, end: int | None = None, step: int = 1
) -> slice:
    if step != 1 or (value.kind not in ("shared", "summed") and dim not in value.block_axes):
        raise UntraceableError("a slice of the batch, or a slice with a step")
    # torch writes a slice without an end with an end beyond any length.
    last = None if end is None or end >= _NO_END else arithmetic.block_count(end)
    return slice(arithmetic.block_count(start or 0), last)


def _split(arithmetic: Arithmetic, value: Any, sizes: Any, dim: int = 0) -> list[Value]:
    value = arithmetic.as_value(value)
    if value.kind not in ("shared", "summed") and dim not in value.block_axes:
        raise UntraceableError("a split of the batch")
    stops = list(accumulate(map(arithmetic.block_count, sizes), initial=0))
    return [value.slice(*bounds) for bounds in pairwise(stops)]


def _cat(arithmetic: Arithmetic, values: Any, dim: int = 0) -> Value:
    numbers = _of_one_kind(arithmetic, *values)
    if any(value.kind not in ("shared", "summed") and dim not in value.block_axes for value in numbers):
        raise UntraceableError("a concatenation along the batch")
    return joined(numbers)


def _of_one_kind(arithmetic: Arithmetic, *values: Any) -> list[Value]:
    """Return values to concatenate. Zeros beside the gradient of a weight become blocks of this gradient."""
    numbers = [arithmetic.as_value(value) for value in values]
    gradient = next((value for value in numbers if value.kind == "outer"), None)
    if gradient is None:
        return numbers
    axis = gradient.block_axes[0]
    return [
        Value(value.blocks[:1] * arithmetic.block_count(value.shape[axis]), "outer", gradient.transposed, value.shape)
        if value.kind == "shared"
        else value
        for value in numbers
    ]


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
"""Functions that need only `apply`, so that they compute on values of other kinds too."""

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **ELEMENTWISE,
    **dict.fromkeys(
        (
            _aten.alias.default,
            _aten.clone.default,
            _aten.expand.default,
            _aten.lift_fresh_copy.default,
            _aten.scalar_tensor.default,
            _aten.squeeze.dims,
            _aten.unsqueeze.default,
            _aten.view.default,
            _aten._to_copy.default,
        ),
        _first_argument,
    ),
    **dict.fromkeys((_aten.copy.default, _aten.full.default, _aten.full_like.default), _second_argument),
    _aten.empty_permuted.default: _zeros,
    _aten.slice.Tensor: _slice,
    _aten.slice_scatter.default: _slice_replaced,
    _aten.split_with_sizes.default: _split,
    _aten.cat.default: _cat,
    **ACROSS_UNITS,
}
"""Function of every traceable operation. torch decomposes other operations into these if it can."""

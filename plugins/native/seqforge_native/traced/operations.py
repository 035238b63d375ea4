"""torch's operations, number by number: what each makes of the values that it is given."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from seqforge_native.traced.arithmetic import Arithmetic
from seqforge_native.traced.values import UntraceableError, Value, joined

_aten = torch.ops.aten

_NO_END = 1 << 62


def _scaled(operation: str, arithmetic: Arithmetic, left: Any, right: Any, *, alpha: float | int = 1) -> Value:
    return arithmetic.apply(operation, left, right if alpha == 1 else arithmetic.apply("mul", right, alpha))


def _reversed_sub(arithmetic: Arithmetic, left: Any, right: Any, alpha: float | int = 1) -> Value:
    return _scaled("sub", arithmetic, right, left, alpha=alpha)


def _elementwise(operation: str, arithmetic: Arithmetic, *values: Any) -> Value:
    return arithmetic.apply(operation, *values)


def _same(arithmetic: Arithmetic, value: Any, *_: Any, dtype: Any = None, **__: Any) -> Value:
    if dtype not in (None, torch.float32):
        raise UntraceableError(f"a change to {dtype}")
    return arithmetic.number(value)


def _filled(number: float | int, arithmetic: Arithmetic, *_: Any, dtype: Any = None, **__: Any) -> Value:
    if dtype not in (None, torch.float32):
        raise UntraceableError(f"numbers of {dtype}")
    return arithmetic.number(number)


def _full(arithmetic: Arithmetic, _: Any, number: float | int, *, dtype: Any = None, **__: Any) -> Value:
    return _filled(number, arithmetic, dtype=dtype)


def _copied(arithmetic: Arithmetic, _: Any, source: Any, non_blocking: bool = False) -> Value:
    del non_blocking
    return arithmetic.number(source)


def _as_tensor(arithmetic: Arithmetic, number: float | int, *, dtype: Any = None, **__: Any) -> Value:
    return _filled(number, arithmetic, dtype=dtype)


def _rectified(arithmetic: Arithmetic, value: Any) -> Value:
    return arithmetic.apply("maximum", value, 0.0)


def _inverted(arithmetic: Arithmetic, value: Any) -> Value:
    return arithmetic.apply("div", 1.0, value)


def _power(arithmetic: Arithmetic, value: Any, exponent: Any) -> Value:
    if exponent not in (1, 2, 3):
        raise UntraceableError(f"the power {exponent}")
    result = arithmetic.number(value)
    for _ in range(int(exponent) - 1):
        result = arithmetic.apply("mul", result, value)
    return result


def _sigmoid_gradient(arithmetic: Arithmetic, gradient: Any, sigmoid: Any) -> Value:
    slope = arithmetic.apply("mul", sigmoid, arithmetic.apply("sub", 1.0, sigmoid))
    return arithmetic.apply("mul", gradient, slope)


def _tanh_gradient(arithmetic: Arithmetic, gradient: Any, tanh: Any) -> Value:
    slope = arithmetic.apply("sub", 1.0, arithmetic.apply("mul", tanh, tanh))
    return arithmetic.apply("mul", gradient, slope)


def _threshold_gradient(arithmetic: Arithmetic, gradient: Any, value: Any, threshold: float | int) -> Value:
    return arithmetic.apply("where", arithmetic.apply("greater", value, threshold), gradient, 0.0)


def _clamped(arithmetic: Arithmetic, value: Any, least: Any = None, most: Any = None) -> Value:
    value = value if least is None else arithmetic.apply("maximum", value, least)
    return value if most is None else arithmetic.apply("minimum", value, most)


def _clamped_from_above(arithmetic: Arithmetic, value: Any, most: Any) -> Value:
    return _clamped(arithmetic, value, None, most)


def _compared(arithmetic: Arithmetic, left: Any, right: Any, *, swapped: bool, operation: str) -> Value:
    return arithmetic.apply(operation, *((right, left) if swapped else (left, right)))


def _equal(arithmetic: Arithmetic, left: Any, right: Any) -> Value:
    sides = [arithmetic.apply("at_least_as_great", *pair) for pair in ((left, right), (right, left))]
    return arithmetic.apply("mul", *sides)


def _opposite(arithmetic: Arithmetic, condition: Any) -> Value:
    return arithmetic.apply("sub", 1.0, condition)


def _masked(arithmetic: Arithmetic, value: Any, condition: Any, instead: Any) -> Value:
    return arithmetic.apply("where", condition, instead, value)


def _multiplied_and_added(
    arithmetic: Arithmetic, added: Any, left: Any, right: Any, *, value: float | int = 1
) -> Value:
    return _scaled("add", arithmetic, added, arithmetic.apply("mul", left, right), alpha=value)


def _slice(
    arithmetic: Arithmetic, value: Any, dim: int = 0, start: int | None = 0, end: int | None = None, step: int = 1
) -> Value:
    value = arithmetic.number(value)
    return Value(value.parts[_parts_of_slice(arithmetic, value, dim, start, end, step)], value.rows)


def _slice_replaced(
    arithmetic: Arithmetic,
    value: Any,
    source: Any,
    dim: int = 0,
    start: int | None = 0,
    end: int | None = None,
    step: int = 1,
) -> Value:
    value, source = arithmetic.number(value), arithmetic.number(source)
    first, last, _ = _parts_of_slice(arithmetic, value, dim, start, end, step).indices(len(value.parts))
    return joined([value.slice(0, first), source, value.slice(last, len(value.parts))])


def _parts_of_slice(
    arithmetic: Arithmetic, value: Value, dim: int, start: int | None, end: int | None, step: int
) -> slice:
    if step != 1 or (value.rows == "each" and dim not in (1, -1)):
        raise UntraceableError("a part of the batch, or a slice with steps")
    # torch gives an end beyond all lengths where there is none.
    last = None if end is None or end >= _NO_END else arithmetic.parts(end)
    return slice(arithmetic.parts(start or 0), last)


def _split(arithmetic: Arithmetic, value: Any, sizes: Any, dim: int = 0) -> list[Value]:
    value = arithmetic.number(value)
    if value.rows == "each" and dim not in (1, -1):
        raise UntraceableError("a part of the batch")
    if isinstance(sizes, int):
        each = arithmetic.parts(sizes)
        return [value.slice(start, start + each) for start in range(0, len(value.parts), each)]
    found: list[Value] = []
    start = 0
    for size in sizes:
        found.append(value.slice(start, start + arithmetic.parts(size)))
        start += arithmetic.parts(size)
    return found


def _cat(arithmetic: Arithmetic, values: Any, dim: int = 0) -> Value:
    numbers = [arithmetic.number(value) for value in values]
    if any(value.rows == "each" for value in numbers) and dim not in (1, -1):
        raise UntraceableError("more rows than the batch has")
    return joined(numbers)


def _sum(arithmetic: Arithmetic, value: Any, dims: Any, keepdim: bool = False, **_: Any) -> Value:
    value = arithmetic.number(value)
    if all(part.is_constant(0.0) for part in value.parts):
        return value
    if list(dims or ()) != [0] or value.rows != "each":
        raise UntraceableError("a sum over hidden units")
    return Value(value.parts, "summed")


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    _aten.add.Tensor: partial(_scaled, "add"),
    _aten.add.Scalar: partial(_scaled, "add"),
    _aten.sub.Tensor: partial(_scaled, "sub"),
    _aten.sub.Scalar: partial(_scaled, "sub"),
    _aten.rsub.Scalar: _reversed_sub,
    _aten.rsub.Tensor: _reversed_sub,
    _aten.mul.Tensor: partial(_elementwise, "mul"),
    _aten.mul.Scalar: partial(_elementwise, "mul"),
    _aten.div.Tensor: partial(_elementwise, "div"),
    _aten.div.Scalar: partial(_elementwise, "div"),
    _aten.neg.default: partial(_elementwise, "neg"),
    _aten.exp.default: partial(_elementwise, "exp"),
    _aten.sigmoid.default: partial(_elementwise, "sigmoid"),
    _aten.tanh.default: partial(_elementwise, "tanh"),
    _aten.sqrt.default: partial(_elementwise, "sqrt"),
    _aten.maximum.default: partial(_elementwise, "maximum"),
    _aten.minimum.default: partial(_elementwise, "minimum"),
    _aten.where.self: partial(_elementwise, "where"),
    _aten.relu.default: _rectified,
    _aten.reciprocal.default: _inverted,
    _aten.gt.Scalar: partial(_compared, swapped=False, operation="greater"),
    _aten.gt.Tensor: partial(_compared, swapped=False, operation="greater"),
    _aten.lt.Scalar: partial(_compared, swapped=True, operation="greater"),
    _aten.lt.Tensor: partial(_compared, swapped=True, operation="greater"),
    _aten.ge.Scalar: partial(_compared, swapped=False, operation="at_least_as_great"),
    _aten.ge.Tensor: partial(_compared, swapped=False, operation="at_least_as_great"),
    _aten.le.Scalar: partial(_compared, swapped=True, operation="at_least_as_great"),
    _aten.le.Tensor: partial(_compared, swapped=True, operation="at_least_as_great"),
    _aten.eq.Scalar: _equal,
    _aten.eq.Tensor: _equal,
    _aten.bitwise_not.default: _opposite,
    _aten.logical_not.default: _opposite,
    _aten.bitwise_and.Tensor: partial(_elementwise, "mul"),
    _aten.logical_and.default: partial(_elementwise, "mul"),
    _aten.masked_fill.Scalar: _masked,
    _aten.masked_fill.Tensor: _masked,
    _aten.pow.Tensor_Scalar: _power,
    _aten.clamp.default: _clamped,
    _aten.clamp_min.default: _clamped,
    _aten.clamp_max.default: _clamped_from_above,
    _aten.addcmul.default: _multiplied_and_added,
    _aten.sigmoid_backward.default: _sigmoid_gradient,
    _aten.tanh_backward.default: _tanh_gradient,
    _aten.threshold_backward.default: _threshold_gradient,
    _aten.slice.Tensor: _slice,
    _aten.slice_scatter.default: _slice_replaced,
    _aten.split.Tensor: _split,
    _aten.split_with_sizes.default: _split,
    _aten.cat.default: _cat,
    _aten.sum.dim_IntList: _sum,
    _aten.zeros_like.default: partial(_filled, 0.0),
    _aten.ones_like.default: partial(_filled, 1.0),
    _aten.zeros.default: partial(_filled, 0.0),
    _aten.new_zeros.default: partial(_filled, 0.0),
    _aten.empty_permuted.default: partial(_filled, 0.0),
    _aten.empty_like.default: partial(_filled, 0.0),
    _aten.copy.default: _copied,
    _aten.full.default: _full,
    _aten.full_like.default: _full,
    _aten.scalar_tensor.default: _as_tensor,
    **dict.fromkeys(
        (
            _aten.alias.default,
            _aten.clone.default,
            _aten.detach.default,
            _aten.expand.default,
            _aten.lift_fresh_copy.default,
            _aten.squeeze.dim,
            _aten.squeeze.dims,
            _aten.unsqueeze.default,
            _aten.view.default,
            _aten._to_copy.default,
            _aten._unsafe_view.default,
        ),
        _same,
    ),
}
"""What is known; the rest, as far as it is made of these, torch takes apart before."""

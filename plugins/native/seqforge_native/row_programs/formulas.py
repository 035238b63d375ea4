"""The elementwise aten operations, and those along axes, as formulas of numbers."""

# The formulas in tables have as many operands as the operation, so that their types are not declared.
# pyright: reportUnknownLambdaType=false

import math
from collections.abc import Callable, Sequence
from functools import partial, partialmethod
from typing import Any, cast

import torch

from seqforge_native.row_programs.builder import Builder
from seqforge_native.row_programs.memory import UntraceableError

_aten = torch.ops.aten
Dims = Sequence[int] | None


class Number:
    """A value of a program, a constant tensor, or a number in a formula, whose operators emit instructions."""

    def __init__(self, builder: Builder, value: Any) -> None:
        self.builder, self.value = builder, value

    def apply(self, operation: str, *others: Any) -> "Number":
        """Return the result of an elementwise operation on this number and others."""
        return Number(self.builder, self.builder.apply(operation, self.value, *map(_bare, others)))

    def apply_after(self, operation: str, first: Any) -> "Number":
        """Return the result of an elementwise operation on another number and this one."""
        return Number(self.builder, first).apply(operation, self)

    def reduce(self, operation: str, dims: Dims = None, keepdim: bool = False) -> "Number":
        """Return the sum or the largest of the numbers along some axes."""
        return Number(self.builder, self.builder.reduce(operation, self.value, dims, keepdim))

    def count(self, dims: Dims) -> int:
        """Return how many numbers a reduction combines."""
        return math.prod(self.value.shape[dim] for dim in (dims or range(len(self.value.shape))))

    __add__ = partialmethod(apply, "add")
    __sub__ = partialmethod(apply, "sub")
    __mul__ = partialmethod(apply, "mul")
    __truediv__ = partialmethod(apply, "div")
    __neg__ = partialmethod(apply, "neg")
    __gt__ = partialmethod(apply, "greater")
    __ge__ = partialmethod(apply, "at_least_as_great")
    __lt__ = partialmethod(apply_after, "greater")
    __rsub__ = partialmethod(apply_after, "sub")
    __rtruediv__ = partialmethod(apply_after, "div")
    exp = partialmethod(apply, "exp")
    log = partialmethod(apply, "log")
    sqrt = partialmethod(apply, "sqrt")
    erf = partialmethod(apply, "erf")
    sigmoid = partialmethod(apply, "sigmoid")
    softplus = partialmethod(apply, "softplus")
    sum = partialmethod(reduce, "sum")
    largest = partialmethod(reduce, "largest")


def _bare(result: Any) -> Any:
    """Return the value of a number, or the values of several."""
    if isinstance(result, tuple):
        return tuple(map(_bare, cast("tuple[Any, ...]", result)))
    return result.value if isinstance(result, Number) else result


def _of_all(formula: Callable[..., Any], builder: Builder, *values: Any, **options: Any) -> Any:
    """Compute a formula of numbers."""
    numbers = [value if value is None else Number(builder, value) for value in values]
    return _bare(formula(*numbers, **options))


def _of_first(formula: Callable[..., Any], builder: Builder, value: Any, *arguments: Any, **options: Any) -> Any:
    """Compute a formula of one number, whose other arguments are axes or options."""
    return _bare(formula(Number(builder, value), *arguments, **options))


def _power(x: Number, exponent: float | int) -> Number:
    if exponent in (0.5, -0.5):
        return x.sqrt() if exponent > 0 else 1.0 / x.sqrt()
    if exponent not in (1, 2, 3):
        raise UntraceableError(f"the power {exponent}")
    result = Number(x.builder, x.builder.as_value(x.value))
    for _ in range(int(exponent) - 1):
        result = result * x
    return result


def _softplus(x: Number, beta: float | int = 1, threshold: float | int = 20) -> Number:
    # Beyond the threshold, torch returns the number itself, which is equal in float32 only if the threshold is large.
    if threshold < 20:
        raise UntraceableError(f"a softplus with the threshold {threshold}")
    return (x * beta).softplus() / beta


def _clamped(x: Number, least: Any = None, most: Any = None) -> Number:
    x = x if least is None else x.apply("maximum", least)
    return x if most is None else x.apply("minimum", most)


def _mean(x: Number, dims: Dims = None, keepdim: bool = False, **_: Any) -> Number:
    return x.sum(dims, keepdim) / x.count(dims)


def _variance(x: Number, dims: Dims = None, *, correction: float | int | None = 1, keepdim: bool = False) -> Number:
    rest = x - _mean(x, dims, True)
    return (rest * rest).sum(dims, keepdim) / (x.count(dims) - (1 if correction is None else correction))


def _norm(x: Number, order: float | int = 2, dims: Dims = None, keepdim: bool = False, **_: Any) -> Number:
    if order not in (1, 2):
        raise UntraceableError(f"the norm of order {order}")
    return (x * x).sum(dims, keepdim).sqrt() if order == 2 else x.apply("maximum", -x).sum(dims, keepdim)


def _log_sum_exp(x: Number, dims: Dims, keepdim: bool = False) -> Number:
    return (x - x.largest(dims, True)).exp().sum(dims, keepdim).log() + x.largest(dims, keepdim)


def _layer_norm(
    x: Number, shape: Sequence[int], weight: Any, bias: Any, epsilon: float | int
) -> tuple[Number, Number, Number]:
    """Return the normalized numbers, their mean, and the reciprocal of their standard deviation."""
    dims = [-1 - index for index in range(len(shape))]
    mean = _mean(x, dims, True)
    slope = 1.0 / (_variance(x, dims, correction=0, keepdim=True) + epsilon).sqrt()
    result = (x - mean) * slope
    result = result if weight is None else result * weight
    return result if bias is None else result + bias, mean, slope


_OF_TENSORS_OR_SCALARS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y, alpha=1: x + (y if alpha == 1 else y * alpha),
    "sub": lambda x, y, alpha=1: x - (y if alpha == 1 else y * alpha),
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "gt": lambda x, y: x > y,
    "lt": lambda x, y: y > x,
    "ge": lambda x, y: x >= y,
    "le": lambda x, y: y >= x,
    "eq": lambda x, y: (x >= y) * (y >= x),
    "ne": lambda x, y: 1.0 - (x >= y) * (y >= x),
}

_OF_NUMBERS: dict[Any, Callable[..., Any]] = {
    **{
        getattr(getattr(_aten, name), overload): formula
        for name, formula in _OF_TENSORS_OR_SCALARS.items()
        for overload in ("Tensor", "Scalar")
    },
    _aten.where.self: lambda x, y, z: x.apply("where", y, z),
    _aten.relu.default: lambda x: x.apply_after("maximum", 0.0),
    _aten.reciprocal.default: lambda x: 1.0 / x,
    _aten.rsqrt.default: lambda x: 1.0 / x.sqrt(),
    _aten.bitwise_not.default: lambda x: 1.0 - x,
    _aten.logical_not.default: lambda x: 1.0 - x,
    _aten.bitwise_and.Tensor: lambda x, y: x * y,
    _aten.logical_and.default: lambda x, y: x * y,
    _aten.bitwise_or.Tensor: lambda x, y: x.apply("maximum", y),
    _aten.logical_or.default: lambda x, y: x.apply("maximum", y),
    _aten.abs.default: lambda x: x.apply("maximum", -x),
    _aten.sign.default: lambda x: (x > 0.0) - (x < 0.0),
    _aten.clamp.default: _clamped,
    _aten.clamp.Tensor: _clamped,
    _aten.softplus_backward.default: lambda gradient, x, beta, threshold: gradient * (x * beta).sigmoid(),
    _aten.log_sigmoid_forward.default: lambda x: (-(-x).softplus(), x.builder.constant(0.0)),
    _aten.log_sigmoid_backward.default: lambda gradient, x, _: gradient * (-x).sigmoid(),
}

_OF_ONE_NUMBER: dict[Any, Callable[..., Any]] = {
    _aten.pow.Tensor_Scalar: _power,
    _aten.softplus.default: _softplus,
    _aten.sum.dim_IntList: lambda x, dims=None, keepdim=False, **_: x.sum(dims, keepdim),
    _aten.mean.dim: _mean,
    _aten.var.correction: _variance,
    _aten.linalg_vector_norm.default: _norm,
    _aten.amax.default: lambda x, dims=None, keepdim=False: x.largest(dims, keepdim),
    _aten.amin.default: lambda x, dims, keepdim=False: -(-x).largest(dims, keepdim),
    _aten.logsumexp.default: _log_sum_exp,
    _aten.native_layer_norm.default: _layer_norm,
}

FORMULAS: dict[Any, Callable[..., Any]] = {
    **{
        getattr(_aten, name).default: lambda builder, *values, name=name: builder.apply(name, *values)
        for name in ("neg", "exp", "log", "log1p", "sigmoid", "tanh", "sqrt", "erf", "maximum", "minimum")
    },
    **{operation: partial(_of_all, formula) for operation, formula in _OF_NUMBERS.items()},
    **{operation: partial(_of_first, formula) for operation, formula in _OF_ONE_NUMBER.items()},
}
"""Functions of the builder, values and options, for the operations that are formulas."""

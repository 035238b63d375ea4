"""The aten operations that a row program can compute, as functions on values."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from seqforge_native.row_programs.builder import Builder, layout_key
from seqforge_native.row_programs.formulas import FORMULAS
from seqforge_native.row_programs.memory import (
    Assembly,
    Outer,
    UntraceableError,
    Value,
    View,
    contiguous_layout,
    map_items,
    whole_assembly,
)

_aten = torch.ops.aten
Function = Callable[..., Any]


def _sum_of_two(builder: Builder, left: Any, right: Any, *, alpha: float | int = 1) -> Value:
    if alpha == 1 and isinstance(left, Outer) and isinstance(right, Outer):
        return Outer(left.shape, (*left.terms, *right.terms))
    if alpha == 1 and (isinstance(left, Assembly) or isinstance(right, Assembly)):
        return _added(builder, left, right)
    return FORMULAS[_aten.add.Tensor](builder, left, right, alpha=alpha)


def _added(builder: Builder, left: Any, right: Any) -> Value:
    """Add two values, of which at least one is an assembly, by joining their pieces."""
    pair = [value if isinstance(value, Assembly) else whole_assembly(builder.as_view(value)) for value in (left, right)]
    if pair[0].shape != pair[1].shape:
        return builder.apply("add", left, right)
    pieces = [piece for value in pair for piece in value.pieces]
    merged: list[tuple[torch.Tensor, View]] = []
    for part, source in pieces:
        same = next((index for index, (other, _) in enumerate(merged) if layout_key(other) == layout_key(part)), None)
        if same is None:
            merged.append((part, source))
        else:
            merged[same] = (part, builder.apply("add", merged[same][1], source))
    return Assembly(pair[0].layout, tuple(merged))


def _first(builder: Builder, value: Any, *_: Any, dtype: Any = None, **__: Any) -> Any:
    if dtype not in (None, torch.float32):
        raise UntraceableError(f"numbers of {dtype}")
    return builder.as_value(value)


def _filled(builder: Builder, like: Any, number: Any = 0.0, **_: Any) -> View:
    return builder.constant(number, like.shape)


def _copied(builder: Builder, to: Any, value: Any, *_: Any) -> View:
    view = builder.as_view(value)
    return view.relaid(view.layout.expand(to.shape))


def _viewed(operation: Any, builder: Builder, value: Any, *arguments: Any, **options: Any) -> Any:
    """Return another view of a tensor, or a list of several; torch computes their shapes and strides."""
    if isinstance(value, Outer) and operation is _aten.permute.default:
        return value.transposed()
    if isinstance(value, Assembly):
        result = operation(value.layout, *arguments, **options)
        if operation in (_aten.view.default, _aten.unsqueeze.default, _aten.squeeze.dims):
            return Assembly(result, value.pieces)
        return map_items(partial(_part, builder, value), result)
    view = builder.as_view(value)
    if view.constant is None and operation is _aten.view.default and not view.layout.is_contiguous():
        try:
            return view.relaid(operation(view.layout, *arguments))
        except RuntimeError:
            view = builder.copied(view)
    if view.constant is not None:
        result = operation(contiguous_layout(view.shape), *arguments, **options)
        shapes = [result.shape] if isinstance(result, torch.Tensor) else [part.shape for part in result]
        constants = [builder.constant(view.constant, shape) for shape in shapes]
        return constants[0] if isinstance(result, torch.Tensor) else constants
    return map_items(view.relaid, operation(view.layout, *arguments, **options))


def _part(builder: Builder, value: Assembly, part: torch.Tensor) -> Value:
    """Return a part of an assembly: from one of its pieces, if it lies in one."""
    start, end = part.storage_offset(), part.storage_offset() + part.numel()
    if part.is_contiguous() and all(piece.is_contiguous() for piece, _ in value.pieces):
        within = [
            (piece, source)
            for piece, source in value.pieces
            if piece.storage_offset() < end and start < piece.storage_offset() + piece.numel()
        ]
        if len(within) == 1:
            piece, source = within[0]
            first = start - piece.storage_offset()
            if first >= 0 and end <= piece.storage_offset() + piece.numel():
                flat = builder.copied(source) if source.constant is None else source
                if flat.constant is not None:
                    return builder.constant(flat.constant, part.shape)
                offset = flat.layout.storage_offset() + first
                return flat.relaid(flat.layout.as_strided(part.shape, part.stride(), offset))
    whole = builder.as_view(value)
    return whole.relaid(whole.layout.as_strided(part.shape, part.stride(), part.storage_offset()))


def _concatenated(builder: Builder, values: Sequence[Any], dim: int = 0) -> Value:
    if any(isinstance(value, Outer) for value in values):
        return _concatenated_gradients(builder, values, dim % 2)
    views = [builder.as_view(value) for value in values]
    lengths = [view.shape[dim] for view in views]
    shape = list(views[0].shape)
    shape[dim] = sum(lengths)
    layout = contiguous_layout(shape)
    parts = torch.split(layout, lengths, dim)
    return Assembly(layout, tuple(pair for pair in zip(parts, views, strict=True) if pair[1].constant != 0))


def _concatenated_gradients(builder: Builder, values: Sequence[Any], dim: int) -> Value:
    lengths = [value.shape[dim] for value in values]
    shape = [values[0].shape[0], values[0].shape[1]]
    shape[dim] = sum(lengths)
    whole, terms, start = (shape[0], shape[1]), list[Any](), 0
    for value, length in zip(values, lengths, strict=True):
        if isinstance(value, Outer):
            terms += value.within(whole, *((start, 0) if dim == 0 else (0, start))).terms
        elif builder.as_view(value).constant != 0:
            raise UntraceableError("a weight that is not only multiplied by")
        start += length
    return Outer(whole, tuple(terms))


def _padded(builder: Builder, value: Any, pad: Sequence[int], number: float | int = 0.0) -> Value:
    view = builder.as_view(value)
    if len(pad) != 2:
        raise UntraceableError("a padding of more than one axis")
    before, after = pad
    start, length = max(0, -before), view.shape[-1] + min(0, before) + min(0, after)
    view = view.relaid(view.layout.narrow(-1, start, length))
    sides = [builder.constant(number, (*view.shape[:-1], max(0, count))) for count in (before, after)]
    parts = [part for part in (sides[0], view, sides[1]) if part.shape[-1]]
    return parts[0] if len(parts) == 1 else _concatenated(builder, parts, len(view.shape) - 1)


def _scattered(operation: Any, builder: Builder, value: Any, sizes: Sequence[int], *arguments: Any) -> Value:
    if isinstance(value, Outer) and operation is _aten.slice.Tensor and arguments[-1:] == (1,):
        dim, start = arguments[0] % 2, arguments[1]
        return value.within((sizes[0], sizes[1]), *((start, 0) if dim == 0 else (0, start)))
    layout = contiguous_layout(sizes)
    view = builder.as_view(value)
    return Assembly(layout, () if view.constant == 0 else ((operation(layout, *arguments), view),))


def _along_one(builder: Builder, value: Any, dim: int) -> Value:
    """Return the running sum of one number."""
    value = builder.as_value(value)
    if value.shape and value.shape[dim] != 1:
        raise UntraceableError("the operation cumsum")
    return value


def _matrix_product(builder: Builder, left: Any, right: Any, bias: Any = None) -> Value:
    """Multiply the last axis of a tensor by a matrix. A constant matrix is a weight, if the tensor has one row."""
    *rows, depth = left.shape
    if len(right.shape) != 2 or not rows:
        raise UntraceableError("a product of these shapes")
    flat = _viewed(_aten.view.default, builder, left, [math.prod(rows), depth])
    if depth == 1 and bias is None and builder.weights and isinstance(right, View):
        column = builder.as_view(flat)
        return Outer((column.shape[0], right.shape[1]), ((0, 0, column.relaid(column.layout.t()), right),))
    if builder.is_weight(right) and math.prod(rows) == 1:
        constant = bias if isinstance(bias, torch.Tensor) else None
        product = builder.multiply_by_weight(flat, right, constant)
        bias = None if constant is not None else bias
    else:
        product = builder.multiply_by_matrix(flat, builder.as_view(right))
    product = product if bias is None else builder.apply("add", product, bias)
    return product.relaid(product.layout.view(*rows, right.shape[1]))


def _added_product(
    builder: Builder, added: Any, left: Any, right: Any, *, beta: float | int = 1, alpha: float | int = 1
) -> Value:
    if alpha == beta == 1:
        return _matrix_product(builder, left, right, added)
    scaled = builder.apply("mul", _matrix_product(builder, left, right), alpha)
    return builder.apply("add", builder.apply("mul", added, beta), scaled)


_VIEWS = (
    _aten.view.default,
    _aten.expand.default,
    _aten.permute.default,
    _aten.select.int,
    _aten.slice.Tensor,
    _aten.split.Tensor,
    _aten.split_with_sizes.default,
    _aten.squeeze.dims,
    _aten.unsqueeze.default,
)

FUNCTIONS: dict[Any, Function] = {
    **FORMULAS,
    _aten.add.Tensor: _sum_of_two,
    **{operation: partial(_viewed, operation) for operation in _VIEWS},
    **dict.fromkeys((_aten.alias.default, _aten.clone.default, _aten.detach.default, _aten._to_copy.default), _first),
    **dict.fromkeys((_aten.full_like.default, _aten.empty_like.default, _aten.fill.Scalar), _filled),
    _aten.copy.default: _copied,
    _aten.cat.default: _concatenated,
    _aten.constant_pad_nd.default: _padded,
    _aten.select_backward.default: partial(_scattered, _aten.select.int),
    _aten.slice_backward.default: partial(_scattered, _aten.slice.Tensor),
    _aten.cumsum.default: _along_one,
    _aten.mm.default: _matrix_product,
    _aten.addmm.default: _added_product,
}
"""Function of every operation. torch decomposes others into these if it can."""

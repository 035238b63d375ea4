"""The building of a program: instructions on views, and tensors that are assembled from parts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqforge_native.row_programs.memory import (
    REGISTER,
    Assembly,
    Buffer,
    Instruction,
    Outer,
    Product,
    UntraceableError,
    Value,
    View,
    contiguous_layout,
    layout_at,
    new_instruction,
    whole_assembly,
    with_axes,
)


class Builder:
    """Receives the instructions of a program, each of which runs in the first phase in which its operands are known.

    Attributes:
        instructions: The instructions, in an order in which each follows those that compute its operands.
        constants: Numbers that the program uses, with their buffers.
        tensors: Other constant tensors that it uses, with their buffers.
        weights: Buffers of parameters that products may multiply by.
        results: Results of products with weights, in the order of the products.

    Args:
        replays: Whether the results of products of numbers that are known in the first phase are known as well, from
            another program.
        has_tensors: Whether the program may have constant tensors, and not only numbers.
    """

    def __init__(self, *, replays: bool = False, has_tensors: bool = False) -> None:
        self.instructions: list[Instruction] = []
        self.constants: dict[float, Buffer] = {}
        self.tensors: list[tuple[Tensor, Buffer]] = []
        self.weights: set[Buffer] = set()
        self.results: list[View] = []
        self._replays, self._has_tensors = replays, has_tensors
        self._known: dict[Any, View] = {}

    def new_view(self, shape: Sequence[int], phase: int) -> View:
        """Return a view of a new buffer."""
        layout = contiguous_layout(shape)
        return View(Buffer(layout.numel(), phase), layout)

    def constant(self, number: float | int, shape: Sequence[int] = ()) -> View:
        """Return a tensor of equal numbers."""
        number = float(number)
        buffer = self.constants.setdefault(number, Buffer(1, space="parameters"))
        return View(buffer, torch.empty(1, device="meta").as_strided(tuple(shape), (0,) * len(shape)), number)

    def as_constant(self, tensor: Tensor) -> Tensor | View:
        """Return a tensor unchanged, or as a view if the program has no constant tensors.

        Raises:
            UntraceableError: If it has none, and the numbers of the tensor differ.
        """
        return tensor if self._has_tensors else self._constant_tensor(tensor)

    def _constant_tensor(self, tensor: Tensor) -> View:
        numbers = tensor.detach().float().flatten()
        if tensor.numel() and bool((numbers == numbers[0]).all()):
            return self.constant(float(numbers[0]), tensor.shape)
        if not self._has_tensors:
            raise UntraceableError("a tensor that is neither a parameter nor a buffer")
        buffer = next((buffer for other, buffer in self.tensors if other is tensor), None)
        if buffer is None:
            buffer = Buffer(tensor.numel(), space="parameters")
            self.tensors.append((tensor, buffer))
        return View(buffer, contiguous_layout(tensor.shape))

    def as_value(self, value: Value | Tensor | float | int) -> Value:
        """Return a value unchanged, or a constant tensor or number as one."""
        return value if isinstance(value, View | Assembly | Outer) else self.as_view(value)

    def as_view(self, value: Value | Tensor | float | int) -> View:
        """Return a value as a view; an assembly is computed."""
        if isinstance(value, View):
            return value
        if isinstance(value, Tensor):
            return self._constant_tensor(value)
        if isinstance(value, Outer):
            return self._computed(value)
        if not isinstance(value, Assembly):
            return self.constant(value)
        key = (
            "assembly",
            value.layout.shape,
            tuple((layout_key(part), _key_of(source)) for part, source in value.pieces),
        )
        if key not in self._known:
            phase = max((source.buffer.phase for _, source in value.pieces), default=0)
            whole = self.new_view(value.shape, phase)
            tiles = value.tiles()
            if not tiles:
                self.emit("copy", whole, whole.layout, self.constant(0.0, value.shape))
            self.add_pieces(value, whole, "copy" if tiles else "accumulate")
            self._known[key] = whole
        return self._known[key]

    def _computed(self, value: Outer) -> View:
        phase = max(view.buffer.phase for _, _, *views in value.terms for view in views)
        whole = self.new_view(value.shape, phase)
        self.emit("copy", whole, whole.layout, self.constant(0.0, value.shape))
        for row, column, left, right in value.terms:
            part = whole.layout[row : row + left.shape[1], column : column + right.shape[1]]
            column_of_left = left.relaid(left.layout.view(-1, 1))
            self.emit("accumulate_products", whole.relaid(part), part, column_of_left, right)
        return whole

    def add_pieces(self, value: Assembly, whole: View, operation: str) -> None:
        """Copy or add the pieces of an assembly to a contiguous tensor."""
        start = whole.offset
        for part, source in value.pieces:
            target = layout_at(part, start)
            self.emit(operation, View(whole.buffer, target), target, source)

    def add_gradient(self, value: Value | Tensor | float | int, shape: Sequence[int], memory: Buffer) -> int:
        """Add the gradient of a parameter to numbers at the end of a memory, and return how many; 0 for no gradient."""
        pieces = value if isinstance(value, Assembly) else whole_assembly(self.as_view(value))
        if not pieces.pieces:
            return 0
        layout = layout_at(contiguous_layout(shape), memory.size)
        self.add_pieces(pieces, View(memory, layout), "accumulate")
        memory.size += layout.numel()
        return layout.numel()

    def apply(self, operation: str, *operands: Any) -> View:
        """Return the result of an elementwise operation on tensors, which are broadcast, and numbers."""
        views = [self.as_view(operand) for operand in operands]
        if (simple := _simplified(operation, views)) is not None:
            return simple
        if operation == "div" and views[1].constant:
            return self.apply("mul", views[0], 1.0 / views[1].constant)
        shape = broadcast_shape(views)
        key = (operation, shape, *map(_key_of, views))
        if key not in self._known:
            result = self.new_view(shape, max(view.buffer.phase for view in views))
            self.emit(operation, result, result.layout, *views)
            self._known[key] = result
        return self._known[key]

    def reduce(self, operation: str, value: Value, dims: Sequence[int] | None, keepdim: bool) -> View:
        """Return the sum or the largest of the numbers along some axes."""
        view = self.as_view(value)
        rank = len(view.shape)
        if rank == 0:
            return view
        dims = sorted(dim % rank for dim in (dims or range(rank)))
        whole = [1 if dim in dims else length for dim, length in enumerate(view.shape)]
        result = self._reduced(operation, view, [dim for dim in dims if view.shape[dim] > 1], whole)
        shape = whole if keepdim else [length for dim, length in enumerate(whole) if dim not in dims]
        return result.relaid(result.layout.reshape(shape))

    def _reduced(self, operation: str, view: View, dims: list[int], shape: list[int]) -> View:
        if not dims:
            return self.copied(view)
        key = (operation, tuple(dims), _key_of(view))
        if key in self._known:
            return self._known[key]
        result = self.new_view(shape, view.buffer.phase)
        if dims == [len(shape) - 1] or operation != "sum":
            if dims != [len(shape) - 1]:
                raise UntraceableError(f"the operation {operation} over another axis than the last")
            source = self.straight(view)
            strides = zip(shape[:-1], result.layout.stride(), source.layout.stride(), strict=False)
            axes = [(length, (into, stride)) for length, into, stride in strides if length > 1]
            if len(axes) > 2:
                raise UntraceableError("a sum of a tensor of more than three axes")
            last = (view.shape[-1], (0, source.layout.stride()[-1]))
            self.instructions.append(with_axes(operation, [*axes, last], [result, source]))
        else:
            self.emit("copy", result, result.layout, self.constant(0.0, shape))
            self.emit("accumulate", result, result.layout.expand(view.shape), view)
        self._known[key] = result
        return result

    def is_weight(self, value: Any) -> bool:
        """Return whether a value is a constant matrix, or a part of a parameter that products may multiply by."""
        if isinstance(value, View):
            return value.buffer in self.weights and len(value.shape) == 2
        return isinstance(value, Tensor)

    def multiply_by_weight(self, vector: Value, weight: Tensor | View, bias: Tensor | None) -> View:
        """Return the product of a vector `[1, inputs]` with a weight `[inputs, outputs]`, plus a constant bias."""
        view = self.as_view(vector)
        if isinstance(weight, Tensor):
            return self._product(view, weight.detach(), bias)
        key = ("product", _key_of(view), _key_of(weight))
        if key not in self._known:
            self._known[key] = self._product(view, weight, bias)
        return self._known[key]

    def _product(self, view: View, weight: Tensor | View, bias: Tensor | None) -> View:
        inputs, outputs = weight.shape
        if view.constant == 0 and bias is None:
            return self.constant(0.0, (1, outputs))
        known = self._replays and view.buffer.phase == 0
        result = self.new_view((1, outputs), 0 if known else view.buffer.phase + 1)
        if known or not self._replays:
            self.results.append(result)
        if known:
            return result
        if view.buffer.space == "parameters" or inputs % REGISTER or not view.layout.is_contiguous():
            # What is read must fill whole registers, the last one with zeros.
            whole = self.new_view((1, inputs + -inputs % REGISTER), view.buffer.phase)
            self.emit("copy", whole, whole.layout, self.constant(0.0, whole.shape))
            self.emit("copy", whole, whole.layout[:, :inputs], view)
            view = whole
        product = Product("product", (), [(result, ()), (view, ())], 0, weight, bias)
        self.instructions.append(product)
        return result

    def join_first_phases(self) -> None:
        """Join the first two phases to one, since no product runs between them."""
        buffers = {view.buffer for each in self.instructions for view, _ in each.operands}
        for buffer in buffers | {view.buffer for view in self._known.values()}:
            buffer.phase = max(0, buffer.phase - 1)

    def replace(self, targets: Sequence[View], values: Sequence[Value | Tensor], phase: int) -> None:
        """Copy values to tensors in a phase after which nothing reads these tensors."""
        buffers = {target.buffer for target in targets}
        pairs = [(target, self.as_view(value)) for target, value in zip(targets, values, strict=True)]
        pairs = [(target, value) for target, value in pairs if _key_of(target) != _key_of(value)]
        # A value may be in the memory of another target.
        apart = [self.copy(value, phase) if value.buffer in buffers else value for _, value in pairs]
        for (target, _), value in zip(pairs, apart, strict=True):
            self.emit("copy", target, target.layout, value)
            self.instructions[-1].least_phase = phase

    def multiply_by_matrix(self, vector: Value, matrix: Value) -> View:
        """Return the product of a vector `[1, depth]` and a matrix `[depth, columns]`, or of a column and a row."""
        left, right = self.straight(self.as_view(vector)), self.as_view(matrix)
        (rows, depth), columns = left.shape, right.shape[1]
        if depth == 1:
            return self.apply("mul", left, right)
        phase = max(left.buffer.phase, right.buffer.phase)
        result = self.new_view((rows, columns), phase)
        (row, along), (down, across) = left.layout.stride(), right.layout.stride()
        if across == 1 and down != 1:
            self.emit("copy", result, result.layout, self.constant(0.0, result.shape))
            axes = [(rows, (columns, row, 0)), (depth, (0, along, down)), (columns, (1, 0, across))]
            self.instructions.append(with_axes("accumulate_products", axes, [result, left, right]))
        else:
            if down != 1:
                right = self.copied(right)
                down, across = right.layout.stride()
            axes = [(rows, (columns, row, 0)), (columns, (1, 0, across)), (depth, (0, along, down))]
            self.instructions.append(with_axes("sum_of_products", axes, [result, left, right]))
        return result

    def copied(self, view: View) -> View:
        """Return a contiguous view of the same numbers: the same one, or a copy."""
        return view if view.layout.is_contiguous() else self.copy(view, view.buffer.phase)

    def copy(self, view: View, phase: int) -> View:
        """Return a copy that is made in a phase."""
        result = self.new_view(view.shape, phase)
        self.emit("copy", result, result.layout, view)
        return result

    def straight(self, view: View) -> View:
        """Return a view whose last axis is consecutive, or repeats one number."""
        strides = view.layout.stride()
        return view if not strides or view.shape[-1] == 1 or strides[-1] in (0, 1) else self.copied(view)

    def emit(self, operation: str, result: View, layout: Tensor, *operands: View) -> None:
        """Add an elementwise instruction that writes to a layout of a buffer."""
        shape = tuple(layout.shape)
        if operation != "copy":
            operands = tuple(map(self.straight, operands))
        layouts = [layout, *(operand.layout.expand(shape) for operand in operands)]
        self.instructions.append(new_instruction(operation, shape, [result, *operands], layouts))


def broadcast_shape(views: Sequence[View]) -> tuple[int, ...]:
    """Return the shape to which tensors are broadcast."""
    return np.broadcast_shapes(*(view.shape for view in views))


def _simplified(operation: str, views: Sequence[View]) -> View | None:
    """Return the result of an operation that changes nothing."""
    first, second = views[0], views[1] if len(views) > 1 else None
    if second is None:
        return None
    if operation in ("add", "sub") and second.constant == 0:
        return _broadcast(first, second)
    if operation == "add" and first.constant == 0:
        return _broadcast(second, first)
    if operation in ("mul", "div") and second.constant == 1:
        return _broadcast(first, second)
    if operation == "mul" and 0 in (first.constant, second.constant):
        return _broadcast(first if first.constant == 0 else second, second if first.constant == 0 else first)
    return None


def _broadcast(view: View, like: View) -> View:
    return view.relaid(view.layout.expand(broadcast_shape([view, like])))


def layout_key(layout: Tensor) -> tuple[Any, ...]:
    """Return what determines a layout."""
    return layout.storage_offset(), tuple(layout.shape), layout.stride()


def _key_of(view: View) -> tuple[Any, ...]:
    return id(view.buffer), *layout_key(view.layout)

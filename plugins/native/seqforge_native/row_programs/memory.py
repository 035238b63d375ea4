"""Tensors in the memory of a row, and the instructions that compute them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor


class UntraceableError(Exception):
    """A program cannot compute a cell; the message names the part that it cannot compute."""


Space = Literal["temporary", "kept", "parameters", "gradients"]

SPACES: tuple[Space, ...] = ("temporary", "kept", "parameters", "gradients")
"""Memory that an operand may be in, in the order of `RowMemory` of kernels/row_program.hpp."""

AXES = 3
"""Axes of an instruction."""

REGISTER = 16
"""The largest number of lanes. An operation may write whole registers beyond the end of its result."""


@dataclass(eq=False, slots=True)
class Buffer:
    """Consecutive numbers.

    Attributes:
        size: How many there are.
        phase: Phase in which they are computed or loaded.
        space: Where they are; temporary numbers that a later phase reads are kept.
        offset: Their first place, which is assigned last for temporary and kept numbers.
    """

    size: int
    phase: int = 0
    space: Space = "temporary"
    offset: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A tensor in a buffer.

    Attributes:
        layout: Tensor without data that has the shape, strides and offset of the view.
        constant: The number that all elements are, or None.
    """

    buffer: Buffer
    layout: Tensor
    constant: float | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return tuple(self.layout.shape)

    @property
    def offset(self) -> int:
        """Place of its first element in the buffer."""
        return int(self.layout.storage_offset())

    @property
    def strides(self) -> tuple[int, ...]:
        """Distance between two elements of each axis."""
        return tuple(self.layout.stride())

    def relaid(self, layout: Tensor) -> "View":
        """Return another view of the buffer."""
        return View(self.buffer, layout, self.constant)


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor in the memory of a row, from the offset of its first number."""

    offset: int
    shape: tuple[int, ...]

    @classmethod
    def of_view(cls, view: View) -> "Place":
        """Return the place of a contiguous tensor of one row, `[1, …]`."""
        return cls(view.buffer.offset + view.offset, view.shape[1:])

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return torch.Size(self.shape).numel()

    def of(self, memory: Float[Tensor, "rows numbers"]) -> Float[Tensor, "rows ..."]:
        """Return the tensors of all rows, as a view of their memory."""
        return memory[:, self.offset : self.offset + self.size].view(len(memory), *self.shape)


@dataclass(frozen=True, slots=True)
class Assembly:
    """A tensor of zeros to parts of which other tensors are added, such as a concatenation.

    Attributes:
        layout: Contiguous tensor without data, of the shape.
        pieces: For each of the other tensors, the part as a view of the layout, and the tensor.
    """

    layout: Tensor
    pieces: tuple[tuple[Tensor, View], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return tuple(self.layout.shape)

    def tiles(self) -> bool:
        """Return whether the parts are consecutive and cover the tensor."""
        if not all(part.is_contiguous() for part, _ in self.pieces):
            return False
        end = 0
        for start, count in sorted((part.storage_offset(), part.numel()) for part, _ in self.pieces):
            if start != end:
                return False
            end += count
        return end == self.layout.numel()


@dataclass(frozen=True, slots=True)
class Outer:
    """The gradient of a weight in one row: outer products of two vectors, each of which is added to a part of it.

    Its numbers are not computed in each row, since a product over all rows and steps sums them faster.

    Attributes:
        shape: Shape of the weight.
        terms: For each product, the row and the column of the weight where its part begins, and the two vectors.
    """

    shape: tuple[int, int]
    terms: tuple[tuple[int, int, View, View], ...]

    def transposed(self) -> "Outer":
        """Return the gradient of the transposed weight."""
        return Outer(
            (self.shape[1], self.shape[0]), tuple((column, row, right, left) for row, column, left, right in self.terms)
        )

    def within(self, shape: tuple[int, int], row: int, column: int) -> "Outer":
        """Return the gradient of a larger weight of which this one is a part."""
        moved = tuple((row + own, column + other, left, right) for own, other, left, right in self.terms)
        return Outer(shape, moved)


Value = View | Assembly | Outer


def contiguous_layout(shape: Sequence[int]) -> Tensor:
    """Return a contiguous tensor without data."""
    return torch.empty(tuple(shape), device="meta")


def new_parameters(tensors: Mapping[str, Tensor]) -> dict[str, View]:
    """Return a view of a new buffer for each parameter or buffer of a cell."""
    return {
        name: View(Buffer(tensor.numel(), space="parameters"), contiguous_layout(tensor.shape))
        for name, tensor in tensors.items()
    }


def layout_at(layout: Tensor, offset: int) -> Tensor:
    """Return a layout that begins at an offset."""
    size = offset + layout.storage_offset() + layout.numel() * (1 + max(layout.stride(), default=0))
    base = torch.empty(size, device="meta")
    return base.as_strided(layout.shape, layout.stride(), offset + layout.storage_offset())


def whole_assembly(view: View) -> Assembly:
    """Return an assembly of one tensor, or of none if it is zero."""
    layout = contiguous_layout(view.shape)
    return Assembly(layout, () if view.constant == 0 else ((layout, view),))


@dataclass(slots=True, eq=False)
class Instruction:
    """An operation with its operands; see `Instruction` of kernels/row_program.hpp.

    Attributes:
        operation: Its name.
        sizes: Length of each of the three axes.
        operands: The result and up to three operands, each with the strides of its axes; or twice as many of both.
        least_phase: Phase before which it must not run, although its operands are known.
    """

    operation: str
    sizes: tuple[int, ...]
    operands: list[tuple[View, tuple[int, ...]]] = field(default_factory=list[tuple[View, tuple[int, ...]]])
    least_phase: int = 0

    @property
    def results(self) -> list[Buffer]:
        """Buffers that the instruction writes to."""
        return [view.buffer for view, _ in self.operands[::4]]

    @property
    def phase(self) -> int:
        """Phase in which it runs: the first one in which its operands are known."""
        return max(self.least_phase, *(view.buffer.phase for view, _ in self.operands))


@dataclass(slots=True, eq=False)
class Product(Instruction):
    """A product of a vector with a weight, which runs between two phases: the second one reads the result.

    Its operands are the result, the vector, and a tensor that is added to the result, if there is one.

    Attributes:
        weight: Weight `[inputs, outputs]`: a constant, or a view of a parameter.
        bias: What is added to the product, `[outputs]`, or None.
    """

    weight: Tensor | View = field(default_factory=lambda: torch.empty(0, 0))
    bias: Tensor | None = None


def new_instruction(
    operation: str, shape: Sequence[int], views: Sequence[View], layouts: Sequence[Tensor]
) -> Instruction:
    """Return an instruction on tensors of one shape, given as layouts of the views, with as few axes as possible.

    Raises:
        UntraceableError: If it needs more than three axes.
    """
    axes: list[tuple[int, tuple[int, ...]]] = []
    for length, strides in zip(shape, zip(*(layout.stride() for layout in layouts), strict=True), strict=True):
        if length == 1:
            continue
        if axes and all(outer == inner * length for outer, inner in zip(axes[-1][1], strides, strict=True)):
            axes[-1] = (axes[-1][0] * length, strides)
        else:
            axes.append((length, strides))
    if axes and operation != "copy" and not (axes[-1][1][0] == 1 and {0, 1}.issuperset(axes[-1][1])):
        axes.append((1, (1,) * len(views)))  # the innermost axis is consecutive
    if len(axes) > AXES:
        raise UntraceableError(f"an operation on tensors of {len(axes)} axes")
    return with_axes(operation, axes, views)


def with_axes(operation: str, axes: Sequence[tuple[int, tuple[int, ...]]], views: Sequence[View]) -> Instruction:
    """Return an instruction from the length of each axis and the strides of each operand."""
    axes = [*[(1, (0,) * len(views))] * (AXES - len(axes)), *axes]
    # A single number is the first one of a register.
    if axes[-1][0] == 1:
        axes[-1] = (1, (1,) * len(views))
    strides = [tuple(axis[1][index] for axis in axes) for index in range(len(views))]
    return Instruction(operation, tuple(length for length, _ in axes), list(zip(views, strides, strict=True)))


def map_items(function: Callable[[Any], Any], given: Any) -> Any:
    """Apply a function to an argument or a result of an operation: to each item if it is a list."""
    if isinstance(given, list | tuple):
        return list(map(function, cast("Sequence[Any]", given)))
    return function(given)

"""The order of the instructions of a program, the memory of its tensors, and the numbers that the kernel reads."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge_native.row_programs.memory import REGISTER, SPACES, Buffer, Instruction, Product, Space, View

_OPERATIONS = (
    "copy",
    "neg",
    "exp",
    "log",
    "log1p",
    "sigmoid",
    "tanh",
    "sqrt",
    "softplus",
    "erf",
    "add",
    "sub",
    "mul",
    "div",
    "maximum",
    "minimum",
    "greater",
    "at_least_as_great",
    "where",
    "sum",
    "largest",
    "sum_of_products",
    "accumulate",
    "accumulate_products",
    "change_state",
)
"""Operations in the order of `Operation` of kernels/row_program.hpp."""

READ_BEYOND = 4 * REGISTER
"""Numbers after the parameters that a kernel may read, but does not use."""

_NUMBERS = 24
"""Numbers of an `Instruction` of kernels/row_program.hpp."""


def arranged(instructions: Sequence[Instruction], buffers: set[Buffer]) -> list[Instruction]:
    """Return the instructions on which some buffers or the gradients of parameters depend, by phases.

    The products whose results a phase reads come before its other instructions.
    """
    needed, buffers = list[Instruction](), set(buffers)
    for instruction in reversed(instructions):
        if any(result in buffers or result.space == "gradients" for result in instruction.results):
            buffers |= {view.buffer for view, _ in instruction.operands}
            needed.append(instruction)
    needed.reverse()
    return sorted(needed, key=lambda each: (each.phase, not isinstance(each, Product)))


def split_gradients(
    of_threads: Float[Tensor, "threads numbers"], sizes: Mapping[str, int], tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the gradients of parameters, of which each thread has summed a part, by name and in their shapes."""
    parts: Sequence[Tensor] = torch.split(of_threads.sum(0), [*sizes.values()])
    return {name: part.view_as(tensors[name]) for name, part in zip(sizes, parts, strict=True)}


def with_sums(instructions: Sequence[Instruction]) -> list[Instruction]:
    """Return instructions in which a product adds its result to a tensor, instead of another instruction."""
    products = {each.results[0]: each for each in instructions if isinstance(each, Product)}
    uses = Counter(view.buffer for each in instructions for view, _ in each.operands[1:])

    def product_of(result: View, own: View, other: View) -> Product | None:
        """Return the product that computes one of two numbers which are added, and can add the other one.

        A product adds what lies in the memory of a row, where parameters do not lie.
        """
        of_row = other.constant is None and other.buffer.space != "parameters"
        if uses[own.buffer] > 1 or not of_row or other.buffer.phase >= own.buffer.phase:
            return None
        whole = all(view.layout.is_contiguous() and view.layout.numel() == own.buffer.size for view in (own, other))
        return products.get(own.buffer) if whole and result.buffer.size == own.buffer.size else None

    left = list[Instruction]()
    for each in instructions:
        views = [view for view, _ in each.operands]
        orders = [(1, 2), (2, 1)] if each.operation == "add" else []
        known = ((product_of(views[0], views[own], views[other]), views[other]) for own, other in orders)
        product, other = next((pair for pair in known if pair[0] is not None), (None, None))
        if product is None or other is None:
            left.append(each)
        else:
            product.operands = [(views[0], ()), product.operands[1], (other, ())]
    return left


def in_place(instructions: Sequence[Instruction], states: Sequence[Buffer]) -> list[Instruction]:
    """Return instructions that change states in their own memory, where they changed a copy that they copied back.

    Each of the instructions has an effect. The states keep their numbers for the next run.
    """
    left = list(instructions)
    for state in states:
        reading = [each for each in left if any(view.buffer is state for view, _ in each.operands[1:])]
        writing = [each for each in left if state in each.results]
        if [len(reading), len(writing)] != [1, 1] or not all(map(_copies_whole, (reading[0], writing[0]))):
            continue
        (copy,) = reading[0].results
        if writing[0].operands[1][0].buffer is not copy:
            continue
        left = [each for each in left if each not in (reading[0], writing[0])]
        state.phase = copy.phase
        for each in left:
            each.operands = [
                (replace(view, buffer=state) if view.buffer is copy else view, strides)
                for view, strides in each.operands
            ]
    return left


def _copies_whole(instruction: Instruction) -> bool:
    return instruction.operation == "copy" and all(
        view.layout.is_contiguous() and view.layout.numel() == view.buffer.size for view, _ in instruction.operands
    )


def assign_memory(instructions: Sequence[Instruction], pinned: Sequence[Buffer], until_end: Set[Buffer]) -> list[int]:
    """Assign memory to the buffers of a row, and return the size of the temporary and of the kept ones.

    Args:
        instructions: The instructions in order.
        pinned: Buffers that the kernel reads or writes between phases. They are kept, in this order, and share their
            memory with no others.
        until_end: Buffers that it reads at the end of a phase.
    """
    # The products between two phases run at the same time.
    times = [list(group) for _, group in groupby(instructions, _time)]
    last_use = dict[Buffer, int]()
    kept = set(pinned)
    for time, group in enumerate(times):
        for each in group:
            for view, _ in each.operands:
                last_use[view.buffer] = time
                if each.phase != view.buffer.phase or isinstance(each, Product):
                    kept.add(view.buffer)
    sizes, free, placed = [0, 0], dict[tuple[Space, int], list[int]](), set[Buffer]()

    def place(buffer: Buffer) -> None:
        if buffer in placed or buffer.space != "temporary":
            return
        placed.add(buffer)
        buffer.space = "kept" if buffer in kept else "temporary"
        size = _padded(buffer)
        if free.get((buffer.space, size)):
            buffer.offset = free[buffer.space, size].pop()
        else:
            space = SPACES.index(buffer.space)
            buffer.offset = sizes[space]
            sizes[space] += size

    for buffer in pinned:
        place(buffer)
    for time, group in enumerate(times):
        for each in group:
            for result in each.results:
                place(result)
        for buffer in dict.fromkeys(view.buffer for each in group for view, _ in each.operands):
            own = buffer in placed and buffer not in until_end and buffer not in pinned
            if own and last_use[buffer] == time:
                free.setdefault((buffer.space, _padded(buffer)), []).append(buffer.offset)
    return sizes


def _time(instruction: Instruction) -> int:
    return instruction.phase if isinstance(instruction, Product) else id(instruction)


def _padded(buffer: Buffer) -> int:
    return -(-buffer.size // REGISTER) * REGISTER + REGISTER


def _encoded(instruction: Instruction) -> list[list[int]]:
    """Return the numbers of an instruction, which has two places if it has more than four operands."""
    operands = [
        [SPACES.index(view.buffer.space), view.buffer.offset + view.offset, *strides]
        for view, strides in instruction.operands
    ]
    places = list[list[int]]()
    for first in range(0, len(operands), 4):
        numbers = [_OPERATIONS.index(instruction.operation), *instruction.sizes]
        numbers += [number for operand in operands[first : first + 4] for number in operand]
        places.append([*numbers, *[-1] * (_NUMBERS - len(numbers))])
    return places


@dataclass(frozen=True, slots=True)
class Code:
    """The instructions of a program in the layout of the kernels.

    Attributes:
        instructions: Numbers of `Instruction` of kernels/row_program.hpp.
        phases: Number of instructions and of products up to the end of each phase. The products between two phases are
            counted with the first one.
        products: The products with weights.
        parameters: Names of the tensors that the instructions read, in the order of their memory.
        constants: Numbers that follow the parameters.
        row_size: Size of the memory of a row.
        temporary_size: Size of the memory of a thread.
    """

    instructions: Int[Tensor, "instructions 24"]
    phases: Int[Tensor, "phases 2"]
    products: Sequence[Product]
    parameters: Sequence[str]
    constants: Sequence[float]
    row_size: int
    temporary_size: int

    def pack_parameters(self, tensors: Mapping[str, Tensor]) -> Float[Tensor, " numbers"]:
        """Return the parameters and the constants as the kernels read them."""
        numbers = [tensors[name].detach().float().flatten() for name in self.parameters]
        return torch.cat([*numbers, torch.tensor([*self.constants, *[0.0] * READ_BEYOND])])


def lay_out(
    instructions: Sequence[Instruction],
    parameters: Mapping[str, Buffer],
    constants: Mapping[float, Buffer],
    pinned: Sequence[Buffer],
    read: Set[Buffer],
    phases: int,
    until_end: Set[Buffer] = frozenset(),
) -> Code:
    """Assign memory to the tensors of instructions, which are in order, and encode the instructions.

    Args:
        instructions: The instructions.
        parameters: Parameters that they may read, by name.
        constants: Numbers that they may read.
        pinned: Buffers that the kernel reads or writes between phases; see `assign_memory`.
        read: Buffers that the kernel reads, also in the memory of parameters.
        phases: Number of phases.
        until_end: Buffers that the kernel reads at the end of a phase.
    """
    temporary_size, row_size = assign_memory(instructions, pinned, until_end)
    products = [each for each in instructions if isinstance(each, Product)]
    plain = [each for each in instructions if not isinstance(each, Product)]
    used = read | {view.buffer for each in plain for view, _ in each.operands}
    names = [name for name, buffer in parameters.items() if buffer in used]
    offset = 0
    for buffer in [*(parameters[name] for name in names), *constants.values()]:
        buffer.offset = offset
        offset += buffer.size
    places = [(each.phase, place) for each in plain for place in _encoded(each)]
    ends = [
        [sum(own <= phase for own, _ in places), sum(each.phase <= phase + 1 for each in products)]
        for phase in range(phases)
    ]
    numbers = torch.tensor([place for _, place in places] or [[0] * _NUMBERS])
    return Code(numbers, torch.tensor(ends), products, names, tuple(constants), row_size, temporary_size)

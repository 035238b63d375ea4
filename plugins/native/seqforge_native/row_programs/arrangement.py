"""The order of the instructions of a program, the memory of its tensors, and the numbers that the kernel reads."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from itertools import groupby

import torch
from jaxtyping import Float
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


def place_parameters(parameters: Mapping[str, View], constants: Iterable[Buffer], read: Set[Buffer]) -> list[str]:
    """Place the parameters that a program reads, and its constants after them, and return the names of the former."""
    names = [name for name, view in parameters.items() if view.buffer in read]
    offset = 0
    for buffer in [*(parameters[name].buffer for name in names), *constants]:
        buffer.offset = offset
        offset += buffer.size
    return names


def pack_parameters(names: Sequence[str], constants: Sequence[float], tensors: Mapping[str, Tensor]) -> Tensor:
    """Return the parameters that `place_parameters` has placed and the constants, as the kernels read them."""
    numbers = [tensors[name].detach().float().flatten() for name in names]
    return torch.cat([*numbers, torch.tensor([*constants, *[0.0] * READ_BEYOND])])


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
        """Return the product that computes one of two numbers which are added, and can add the other one."""
        if uses[own.buffer] > 1 or other.constant is not None or other.buffer.phase >= own.buffer.phase:
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


def assign_memory(instructions: Sequence[Instruction], pinned: Sequence[Buffer], until_end: set[Buffer]) -> list[int]:
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
    sizes, free = [0, 0], dict[tuple[Space, int], list[int]]()

    def place(buffer: Buffer) -> None:
        buffer.space = "kept" if buffer in kept else "temporary"
        size = _padded(buffer)
        if free.get((buffer.space, size)):
            buffer.offset = free[buffer.space, size].pop()
        else:
            space = SPACES.index(buffer.space)
            buffer.offset = sizes[space]
            sizes[space] += size

    placed = set[Buffer]()
    for buffer in pinned:
        if buffer.space == "temporary":
            placed.add(buffer)
            place(buffer)
    for time, group in enumerate(times):
        for each in group:
            for result in each.results:
                if result.space == "temporary" and result not in placed:
                    placed.add(result)
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


def encode_phases(
    instructions: Sequence[Instruction], products: Sequence[Product], phases: int
) -> tuple[Tensor, Tensor]:
    """Return the numbers of instructions, and the numbers of instructions and products up to the end of each phase.

    The products between two phases are counted with the first one.
    """
    numbers, ends = encode_all(instructions, phases)
    return numbers, torch.tensor(
        [[end, sum(each.phase <= phase + 1 for each in products)] for phase, end in enumerate(ends)]
    )


def encode_all(instructions: Sequence[Instruction], phases: int) -> tuple[Tensor, list[int]]:
    """Return the numbers of instructions, `[places, 24]`, and the number of places up to the end of each phase."""
    places = [(each.phase, place) for each in instructions for place in _encoded(each)]
    ends = [sum(each <= phase for each, _ in places) for phase in range(phases)]
    return torch.tensor([place for _, place in places] or [[0] * _NUMBERS]), ends

"""The step of a cell with a matrix state as one instruction, instead of the operations that define it."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from torch import Tensor, nn

from seqforge.kinds import MatrixStateCell, Parts
from seqforge_native.row_programs.builder import Builder
from seqforge_native.row_programs.memory import Instruction, Value, View
from seqforge_native.row_programs.recording import Recorded, value_of


@contextmanager
def recorded_steps(module: nn.Module, builder: Builder) -> Generator[None]:
    """Record the steps of the matrix states in a module by `emit_change` inside the block."""
    with ExitStack() as stack:
        for cell in cast("Iterable[Any]", module.modules()):
            if isinstance(cell, MatrixStateCell) and type(cast("Any", cell)).step is MatrixStateCell.step:
                vars(cell)["step"] = _step_of(cast("Any", cell), builder)
                stack.callback(vars(cell).pop, "step")
        yield


def _step_of(cell: MatrixStateCell[Any], builder: Builder) -> Callable[..., tuple[Tensor, Any]]:
    def change(parts: Parts, state: Tensor) -> tuple[Tensor, Tensor]:
        own = parts.map(lambda part: part[0])
        own = own._replace(query=own.query.expand(own.key.shape))
        values = [None if part is None else value_of(builder, part) for part in own]
        reads, after = emit_change(builder, value_of(builder, state), values)
        return Recorded.of(builder, reads)[None], Recorded.of(builder, after)

    def step(projected: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, after = cell.advance(projected[None], state, change)
        return output[0], after

    return step


def emit_change(builder: Builder, state: Value | Tensor, parts: Sequence[Value | Tensor | None]) -> tuple[View, View]:
    """Emit the instructions of a step, and return what is read and the state, `[1, heads, keys, values]`.

    The parts are in the order of `Parts`, with a batch of 1.
    """
    query, key, value, log_decay, read, write = cast("Any", parts)
    memory, q, k = (builder.as_view(part) for part in (state, query, key))
    _, heads, keys, values = memory.shape
    decay = builder.constant(1.0, (1, heads)) if log_decay is None else builder.apply("exp", log_decay)
    v = builder.copied(builder.as_view(value))
    of_keys = [k, q, *(builder.as_view(part) for part in (read, write) if part is not None)]
    phase = max(view.buffer.phase for view in (memory, decay, v, *of_keys))
    memory, reads = builder.copy(memory, phase), builder.new_view((1, heads, values), phase)
    operands = [
        (memory, "hkv"),
        (decay, "hk"),
        (k, "hk"),
        (v, "hv"),
        (reads, "hv"),
        *((part, "hk") for part in of_keys[1:]),
    ]
    instruction = Instruction("change_state", (heads, keys, values), least_phase=phase)
    for view, axes in operands:
        strides = dict(zip(axes, view.strides[1:], strict=False))  # a decay may have no axis for keys
        instruction.operands.append((view, tuple(strides.get(axis, 0) for axis in "hkv")))
    builder.instructions.append(instruction)
    return reads, memory

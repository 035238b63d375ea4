"""The instructions of the step of a matrix state."""

from torch import Tensor

from seqforge_native.row_programs.builder import Builder
from seqforge_native.row_programs.memory import Instruction, Value, View


def emit_change(
    builder: Builder,
    state: Value | Tensor,
    query: Value | Tensor,
    key: Value | Tensor,
    value: Value | Tensor,
    log_decay: Value | Tensor | None,
    read: Value | Tensor | None,
    write: Value | Tensor | None,
) -> tuple[View, View]:
    """Emit the instructions of a step, and return what is read and the state.

    Args:
        builder: Receiver of the instructions.
        state: The state, `[1, heads, keys, values]`.
        query: q, as in `Parts`, with a batch of 1; so are the others.
        key: k.
        value: v.
        log_decay: Logarithm of w, or None.
        read: a, or None.
        write: b, or None.
    """
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

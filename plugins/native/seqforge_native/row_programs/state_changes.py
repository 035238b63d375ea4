"""The instructions of the step of a matrix state."""

from torch import Tensor

from seqforge_native.row_programs.builder import Builder
from seqforge_native.row_programs.memory import Value, View, with_axes


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
    decay = None if log_decay is None else builder.apply("exp", log_decay)
    given = [None if part is None else builder.straight(builder.as_view(part)) for part in (decay, read, write)]
    memory, q, k, v = (builder.straight(builder.as_view(part)) for part in (state, query, key, value))
    phase = max(view.buffer.phase for view in (memory, q, k, v, *given) if view is not None)
    w, a, b = given
    _, heads, keys, values = memory.shape
    memory = builder.copy(memory, phase)
    w = builder.constant(1.0, (1, heads)) if w is None else w
    by_key = "k" if len(w.shape) == 3 else ""
    outputs, held = (builder.new_view((1, heads, values), phase) for _ in range(2))
    for sums in (outputs, held):
        builder.emit("copy", sums, sums.layout, builder.constant(0.0, sums.shape))

    def emit(operation: str, head: int, *operands: tuple[View, str]) -> None:
        """Emit an operation on tensors of one head, whose axes are keys and values, as far as they have them."""
        views = [view.relaid(view.layout[0, head]) for view, _ in operands]
        strides = [dict(zip(axes, view.strides, strict=True)) for view, (_, axes) in zip(views, operands, strict=True)]
        lengths = [
            (length, tuple(own.get(axis, 0) for own in strides)) for axis, length in (("k", keys), ("v", values))
        ]
        instruction = with_axes(operation, lengths, views)
        instruction.least_phase = phase
        builder.instructions.append(instruction)

    # One head after another, so that its state stays in the cache.
    for head in range(heads):
        if a is not None:
            emit("accumulate_products", head, (held, "v"), (a, "k"), (memory, "kv"))
        emit("decay_and_add_products", head, (memory, "kv"), (w, by_key), (k, "k"), (v, "v"))
        if b is not None:
            emit("accumulate_products", head, (memory, "kv"), (b, "k"), (held, "v"))
        emit("accumulate_products", head, (outputs, "v"), (q, "k"), (memory, "kv"))
    return outputs, memory

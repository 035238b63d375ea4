"""The program of a whole model, which computes the logits from a symbol and the states.

The step of a cell with a matrix state is one instruction, instead of the operations that define it.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqforge.kinds import Cell, GenerationModel, MatrixStateCell, Parts
from seqforge_native.row_programs.arrangement import Code, arranged, in_place, lay_out, with_sums
from seqforge_native.row_programs.builder import Builder
from seqforge_native.row_programs.memory import Instruction, Place, UntraceableError, Value, View
from seqforge_native.row_programs.recording import Recorded, located_errors, value_of


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
    vectors_of_u = () if read is None else (read, write)  # as in `read_steps`, a b without a has no effect
    of_keys = [k, q, *(builder.as_view(part) for part in vectors_of_u if part is not None)]
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


@dataclass(frozen=True, slots=True)
class ModelProgram:
    """A model in the layout of kernels/decode.hpp.

    Attributes:
        code: The instructions and the products.
        parameters: Constant numbers that the instructions read.
        table: What the lowest layer reads of each symbol.
        input: Place of what the lowest layer reads.
        logits: Place of the logits.
        states: Places of the states of each layer.
    """

    code: Code
    parameters: Float[Tensor, " numbers"]
    table: Float[Tensor, "symbols features"]
    input: Place
    logits: Place
    states: Sequence[Sequence[Place]]


@located_errors()
@torch.no_grad()
def compile_model(model: GenerationModel) -> ModelProgram:
    """Return the program of a model whose tensors are in float32 on the CPU.

    Raises:
        UntraceableError: If a program cannot compute a step of a layer.
    """
    builder, states = Builder(has_tensors=True), list[list[View]]()
    table = _table(model.cells[0], model.embedding)
    symbol = builder.new_view((1, table.shape[1]), 0)
    hidden, after = Recorded.of(builder, symbol), list[Tensor]()
    for index, cell in enumerate(model.cells):
        initial = cell.initial_state(1)
        if any(part.dtype != torch.float32 for part in initial):
            raise UntraceableError("a state that is not in float32")
        states.append([builder.new_view(part.shape, 0) for part in initial])
        state = type(initial)(*(Recorded.of(builder, view) for view in states[-1]))
        with recorded_steps(cell, builder):
            hidden, changed = cell.step(cell.project(hidden[None])[0] if index else hidden, state)
        after += changed
    hidden = hidden if model.norm is None else model.norm(hidden)
    highest = builder.as_view(value_of(builder, hidden))
    logits = builder.multiply_by_weight(highest, model.head_weight.t(), model.head_bias)
    targets = [view for state in states for view in state]
    builder.replace(targets, [value_of(builder, part) for part in after], logits.buffer.phase)
    return _arranged(builder, table, symbol, logits, states)


def _table(cell: Cell[Any], embedding: Tensor | None) -> Float[Tensor, "symbols features"]:
    """Return what the lowest layer reads of each symbol: the products of its input."""
    if embedding is not None:
        inputs = embedding.detach()
    else:
        inputs = torch.arange(cell.input_size) if cell.reads_symbols else torch.eye(cell.input_size)
    return cell.project(inputs[None])[0].float().contiguous()


def _arranged(
    builder: Builder, table: Tensor, symbol: View, logits: View, states: Sequence[Sequence[View]]
) -> ModelProgram:
    """Order the instructions by phases, leave out those without effect, and assign memory."""
    read = [logits.buffer, *(view.buffer for state in states for view in state)]
    steps = in_place(with_sums(arranged(builder.instructions, set(read))), read[1:])
    tensors = {str(index): tensor for index, (tensor, _) in enumerate(builder.tensors)}
    buffers = {str(index): buffer for index, (_, buffer) in enumerate(builder.tensors)}
    code = lay_out(steps, buffers, builder.constants, [symbol.buffer, *read], set(read), logits.buffer.phase + 1)
    return ModelProgram(
        code,
        code.pack_parameters(tensors),
        table,
        Place.of_view(symbol),
        Place.of_view(logits),
        [[Place.of_view(view) for view in state] for state in states],
    )

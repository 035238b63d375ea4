"""Programs of a cell with matrix states, recorded by torch, in the layout of the kernel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Int
from torch import Tensor, nn

from seqforge.kinds import MatrixStateCell
from seqforge_native.row_programs.arrangement import Code, arranged, lay_out
from seqforge_native.row_programs.builder import Builder
from seqforge_native.row_programs.memory import (
    SPACES,
    Buffer,
    UntraceableError,
    View,
    new_parameters,
)
from seqforge_native.row_programs.recording import record


class RowFunction(nn.Module):
    """The parts and the readout of a step of one row, as a function of plain tensors, of a cell in float32.

    Attributes:
        inputs: Number of features of the input projection.
        mixed: Number of features that depend on several steps.
        values: Columns of a state.
        decays: Numbers by which a step decays a head: 1, or one for each key.
        rule: 1 for the delta rule, 2 for a rule with b, 0 for others: `StateRule` of kernels/matrix_chunk.hpp.
    """

    def __init__(self, cell: MatrixStateCell[Any]) -> None:
        super().__init__()
        self.cell = cell
        with torch.no_grad():
            projected = cell.project(torch.zeros(1, 1, cell.input_size))
            state = cell.initial_state(1)
            mixed, _ = cell.mix_steps(projected, state)
            parts = cell.parts(torch.cat([projected, mixed], -1)[0])
        self.inputs, self.mixed, self.values = projected.shape[-1], mixed.shape[-1], int(state[0].shape[-1])
        by_key = parts.log_decay is not None and parts.log_decay.ndim == parts.key.ndim
        self.decays = cell.key_size if by_key else 1
        self.rule = 0 if parts.read is None else 1 if parts.write is None else 2

    def forward(self, projected: Tensor, mixed: Tensor, reads: Tensor) -> tuple[Tensor, ...]:
        """Return q, k, v, the decay, a and b, as far as the rule has them, and the output."""
        cell = self.cell
        features = torch.cat([projected, mixed], -1) if self.mixed else projected
        parts = cell.parts(features)
        rows, keys = (1, cell.heads), (1, cell.heads, cell.key_size)
        log_decay = torch.zeros(rows) if parts.log_decay is None else parts.log_decay
        own = [parts.query.expand(keys), parts.key.expand(keys), parts.value.expand(*rows, self.values)]
        own.append((log_decay.expand(keys) if log_decay.ndim == len(keys) else log_decay.expand(rows)).exp())
        own += [part.expand(keys) for part in (parts.read, parts.write)[: self.rule] if part is not None]
        return *own, cell.readout(reads, parts, features)

    def example(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return arguments."""
        reads = torch.zeros(1, self.cell.heads, self.values)
        return torch.zeros(1, self.inputs), torch.zeros(1, self.mixed), reads


PORTS = ("input", "mixed", "query", "key", "value", "decay", "read", "write", "reads", "output")
"""What the recurrence and the program exchange, in the order of `Ports` of kernels/matrix_cell.hpp."""

_PHASES = 3

_AT_END = {"output": 1, "input'": 2, "mixed'": 2}
"""Results that the kernel reads right after a phase of a row, by the phase."""

_ROWS = ("input", "mixed", "reads")
"""Arguments of a `RowFunction`."""


@dataclass(frozen=True, slots=True)
class Program:
    """Instructions for one row, in three phases, between which the recurrence runs forward and backward.

    Attributes:
        code: The instructions. Later phases read the numbers in the memory of a row.
        ports: Places of the numbers that are exchanged.
        gradient_ports: Places of their gradients.
        gradients: Size of each gradient of a parameter that it computes, in the order of its memory.
    """

    code: Code
    ports: Int[Tensor, "10 4"]
    gradient_ports: Int[Tensor, "10 4"]
    gradients: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CellPrograms:
    """The programs of a cell, with figures of its `RowFunction`.

    Attributes:
        backward: Program that computes the parts again, and all gradients.
        mixes: Whether the cell has features that depend on several steps.
    """

    forward: Program
    backward: Program
    mixes: bool
    values: int
    decays: int
    rule: int


def compile_programs(cell: MatrixStateCell[Any]) -> CellPrograms:
    """Return the programs of a cell whose parameters are in float32.

    Raises:
        UntraceableError: If a program cannot compute its parts or its output.
    """
    if type(cell).advance is not MatrixStateCell.advance:
        raise UntraceableError("a computation of several steps of its own")
    try:
        function = RowFunction(cell)
    except Exception as error:  # a cell may raise any error for inputs that it does not expect
        raise UntraceableError(f"an error before its first step: {type(error).__name__}: {error}") from error
    tensors = {**dict(cell.named_parameters()), **dict(cell.named_buffers())}
    forward, backward = (_compile(function, tensors, backward=backward) for backward in (False, True))
    return CellPrograms(forward, backward, function.mixed > 0, function.values, function.decays, function.rule)


def _compile(function: RowFunction, tensors: Mapping[str, Tensor], *, backward: bool) -> Program:
    builder = Builder()
    inputs = {
        name: builder.new_view(example.shape, int(name == "reads"))
        for name, example in zip(_ROWS, function.example(), strict=True)
    }
    parameters = new_parameters(tensors)
    results = [*PORTS[2 : 6 + function.rule], "output"]
    values, examples = [*inputs.values(), *parameters.values()], [*function.example(), *tensors.values()]

    def run(*given: Tensor) -> tuple[Tensor, ...]:
        named = {f"cell.{name}": value for name, value in zip(tensors, given[3:], strict=True)}
        return cast("tuple[Tensor, ...]", torch.func.functional_call(function, named, given[:3]))

    count = len(inputs) + len(list(function.parameters()))
    computed, record_gradients = record(run, builder, values, [one.detach().clone() for one in examples], count)
    exchanged = {name: builder.straight(builder.as_view(value)) for name, value in zip(results, computed, strict=True)}
    cotangents = {name: builder.new_view(one.shape, 1 if name == "output" else 2) for name, one in exchanged.items()}
    gradients, of_parameters = dict[str, View](), dict[str, int]()
    memory = Buffer(0, space="gradients")
    if backward:
        del exchanged["output"]
        found = iter(record_gradients([*cotangents.values()]))
        for name in _ROWS:
            value = builder.as_view(next(found))
            gradients[name] = builder.straight(value) if name == "reads" else builder.copied(value)
        for name, value in zip(tensors, found, strict=False):  # buffers have no gradients
            if size := builder.add_gradient(value, tensors[name].shape, memory):
                of_parameters[name] = size
    else:
        exchanged["output"] = builder.copied(exchanged["output"])
        cotangents = dict[str, View]()
    return _arranged(builder, parameters, (inputs, exchanged), (cotangents, gradients), of_parameters)


def _arranged(
    builder: Builder,
    parameters: Mapping[str, View],
    values: tuple[Mapping[str, View], Mapping[str, View]],
    gradients: tuple[Mapping[str, View], Mapping[str, View]],
    of_parameters: Mapping[str, int],
) -> Program:
    """Order the instructions by phases, leave out those without effect, and assign memory.

    The values are those that the kernel writes before a phase, and those that it reads after one; so are the gradients.
    `of_parameters` has the size of each gradient of a parameter.
    """
    written, read = (
        {**one, **{f"{name}'": view for name, view in other.items()}}
        for one, other in zip(values, gradients, strict=True)
    )
    instructions = arranged(builder.instructions, {view.buffer for view in read.values()})
    kept = {view.buffer for view in read.values()}
    used = kept | {view.buffer for each in instructions for view, _ in each.operands[1:]}
    pinned = [view.buffer for view in written.values()]
    pinned += [view.buffer for name, view in read.items() if view.buffer.phase != _AT_END.get(name)]
    own = {name: view.buffer for name, view in parameters.items()}
    code = lay_out(instructions, own, builder.constants, pinned, kept, _PHASES, until_end=kept)
    ports: list[list[list[int]]] = []
    for by_kernel, by_program in (values, gradients):
        places = {**{name: view for name, view in by_kernel.items() if view.buffer in used}, **by_program}
        ports.append([_port(places.get(name)) for name in PORTS])
    return Program(code, torch.tensor(ports[0]), torch.tensor(ports[1]), dict(of_parameters))


def _port(view: View | None) -> list[int]:
    """Return the place of a tensor `[1, features]`, or `[1, heads]`, or `[1, heads, features]`."""
    if view is None:
        return [-1, 0, 0, 0]
    place = [SPACES.index(view.buffer.space), view.buffer.offset + view.offset]
    strides = view.strides
    return [*place, *(strides[1:] if len(strides) == 3 else (strides[1], 0))]

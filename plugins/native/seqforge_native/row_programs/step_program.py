"""The programs of a step of any cell and of its gradients, recorded by torch, in the layout of the kernel.

The step for one row is a function of plain tensors, which torch can record.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import Cell, ElementwiseCell, FactoredCell
from seqforge_native.row_programs.arrangement import Code, arranged, lay_out
from seqforge_native.row_programs.builder import Builder
from seqforge_native.row_programs.memory import (
    Buffer,
    Outer,
    Place,
    UntraceableError,
    Value,
    View,
    new_parameters,
)
from seqforge_native.row_programs.recording import record


class StepFunction:
    """The step of a cell for one row as a function of plain tensors: projected inputs, parts of the state, parameters.

    Attributes:
        features: Number of features of the projected inputs.
        state: A state of one row.
        tensors: Parameters and buffers that the step may read, by their names in the cell. Those of the product U h are
            replaced by its weights, one for each head.
        parameter_count: How many of them are not buffers, which are the last ones.

    Raises:
        UntraceableError: If no program can read the state.
    """

    def __init__(self, cell: Cell[Any]) -> None:
        self.cell = cell
        with torch.no_grad():
            self.features = int(cell.project(torch.zeros(1, 1, cell.input_size)).shape[-1])
        self.state: tuple[Tensor, ...] = cell.initial_state(1)
        parts = cast("Sequence[Any]", self.state or [None])
        if not all(isinstance(part, Tensor) and part.dtype == torch.float32 and len(part) == 1 for part in parts):
            raise UntraceableError("a state that is not in float32, with a row for each sequence")
        outer = cast("Any", cell).product_parameters if _has_own_product(cell) or _is_elementwise(cell) else ()
        own = {name: value for name, value in cell.named_parameters() if name not in outer}
        self.heads = recurrent_weights(cell)
        self.tensors = {**self.heads, **own, **dict(cell.named_buffers())}
        self.parameter_count = len(self.heads) + len(own)

    def __call__(self, projected: Tensor, *arguments: Tensor) -> tuple[Tensor, ...]:
        """Return the output and the tensors of the next state."""
        state = type(self.state)(*arguments[: len(self.state)])  # pyright: ignore[reportArgumentType]
        given = dict(zip(self.tensors, arguments[len(self.state) :], strict=True))
        heads = [given.pop(name) for name in self.heads]
        output, after = torch.func.functional_call(
            _Step(self.cell), {f"cell.{name}": value for name, value in given.items()}, (projected, state, heads)
        )
        return output, *after

    def examples(self) -> list[Tensor]:
        """Return arguments."""
        own = [value.detach().clone() for value in self.tensors.values()]
        return [torch.zeros(1, self.features), *(part.clone() for part in self.state), *own]


class _Step(nn.Module):
    def __init__(self, cell: Cell[Any]) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, projected: Tensor, state: Any, heads: Sequence[Tensor]) -> tuple[Tensor, Any]:
        if not heads:
            return self.cell.step(projected, state)
        width = self.cell.hidden_size // len(heads)
        parts = [
            functional.linear(state[0][:, head * width : (head + 1) * width], weight).view(1, -1, width)
            for head, weight in enumerate(heads)
        ]
        product = parts[0] if len(parts) == 1 else torch.cat(parts, -1)
        return cast("FactoredCell[Any]", self.cell).pointwise(projected, product.reshape(1, -1), state)


def recurrent_weights(cell: Cell[Any]) -> dict[str, Tensor]:
    """Return the weight of U h for each head, `[gates / heads, hidden / heads]`, if the step has this product alone."""
    if not _has_own_product(cell):
        return {}
    cell = cast("FactoredCell[Any]", cell)
    if cell.heads == 1 or type(cell).recurrent_matrix is not FactoredCell.recurrent_matrix:
        return {"recurrent_matrix.0": cell.recurrent_matrix()}
    width = cell.hidden_size // cell.heads
    blocks = cell.recurrent_weight.view(-1, cell.heads, width, width).unbind(1)
    return {f"recurrent_matrix.{head}": block.reshape(-1, width) for head, block in enumerate(blocks)}


def _has_own_product(cell: Cell[Any]) -> bool:
    return isinstance(cell, FactoredCell) and type(cell).step is FactoredCell.step


def _is_elementwise(cell: Cell[Any]) -> bool:
    return isinstance(cell, ElementwiseCell) and type(cell).step is ElementwiseCell.step


def require_own_rows(cell: Cell[Any]) -> None:
    """Raise an error if a row of a step depends on other rows, which a program of one row would not notice."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        projected = cell.project(torch.randn(1, 3, cell.input_size, generator=generator))[0]
        state = [torch.randn(part.shape, generator=generator) for part in cell.initial_state(3)]
        state = type(cell.initial_state(3))(*state)

        def run(rows: slice) -> list[Tensor]:
            output, after = cell.step(projected[rows], type(state)(*(part[rows] for part in state)))
            return [output, *after]

        for whole, own in zip(run(slice(None)), run(slice(1, 2)), strict=True):
            if not torch.allclose(whole[1:2], own, rtol=1e-3, atol=1e-4, equal_nan=True):
                raise UntraceableError("numbers of other rows of the batch")


@dataclass(frozen=True, slots=True)
class WeightGradient:
    """An outer product, which is summed over all steps and rows, and added to a part of the gradient of a parameter.

    Attributes:
        name: Name of the parameter.
        row: Row of the parameter where the part begins.
        column: Its column.
        left: Name of the first vector among the numbers of each step.
        right: Name of the second one.
    """

    name: str
    row: int
    column: int
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class StepProgram:
    """Instructions and products for the rows of a step, forward or backward.

    The numbers of each step have names: "projected" and "output", "state.0" for a part of the state, "result.0" for the
    result of a product, which the backward pass reads, "vector.0" for a factor of the gradient of a weight, and
    "projected'" and "output'" for gradients.

    Attributes:
        code: The instructions, and the products, whose weights are views of parameters.
        weights: Names of the tensors that products multiply by, by their buffers.
        loads: Places of the numbers that are loaded before a step.
        stores: Places of those that are stored after it.
        carried: Places of those that stay: the parts of the state, or their gradients.
        vector_gradients: Size of the gradient of each parameter that the instructions sum, in the order of its memory.
        weight_gradients: What is summed over all steps.
    """

    code: Code
    weights: Mapping[Buffer, str]
    loads: Mapping[str, Place]
    stores: Mapping[str, Place]
    carried: Sequence[Place]
    vector_gradients: Mapping[str, int]
    weight_gradients: Sequence[WeightGradient]


@dataclass(frozen=True, slots=True)
class StepPrograms:
    """Both programs of a cell."""

    forward: StepProgram
    backward: StepProgram

    @property
    def tensors(self) -> set[str]:
        """Names of the parameters and buffers that they read."""
        return {name for one in (self.forward, self.backward) for name in (*one.code.parameters, *one.weights.values())}


def compile_step(cell: Cell[Any]) -> StepPrograms:
    """Return the programs of a cell whose parameters are in float32.

    Raises:
        UntraceableError: If a program cannot compute its step.
    """
    try:
        step = StepFunction(cell)
        require_own_rows(cell)
    except UntraceableError:
        raise
    except Exception as error:  # a cell may raise any error for inputs that it does not expect
        raise UntraceableError(f"an error before its first step: {type(error).__name__}: {error}") from error
    backward = _compile(step, None)
    return StepPrograms(_compile(step, backward), backward)


def _compile(step: StepFunction, backward: StepProgram | None) -> StepProgram:
    """Return the backward program, or the forward program that stores what the backward program loads."""
    is_backward = backward is None
    builder = Builder(replays=is_backward)
    projected = builder.new_view((1, step.features), 0)
    states = {f"state.{index}": builder.new_view(part.shape, 0) for index, part in enumerate(step.state)}
    parameters = new_parameters(step.tensors)
    builder.weights = {view.buffer for view in parameters.values() if len(view.shape) == 2}
    values = [projected, *states.values(), *parameters.values()]
    computed, record_gradients = record(step, builder, values, step.examples(), 1 + len(states) + step.parameter_count)
    output, *after = computed
    output_gradient, *state_gradients = (
        builder.new_view(one.shape, 1) if is_backward else builder.constant(0.0, one.shape) for one in computed
    )
    of_projected, *found = record_gradients([output_gradient, *state_gradients])
    of_states, of_parameters = found[: len(states)], found[len(states) :]
    results = {f"result.{index}": view for index, view in enumerate(builder.results)}
    draft = _Draft(builder, parameters)
    if backward is not None:
        read = {name: view for name, view in results.items() if name in backward.loads}
        return draft.finish({"projected": projected}, {"output": output, **read}, states.values(), after)
    for name, value in zip(parameters, of_parameters, strict=False):  # buffers have no gradients
        draft.add_gradient(name, value, states)
    loads = {"projected": projected, **states, **results, "output'": output_gradient}
    builder.join_first_phases()
    return draft.finish(loads, {"projected'": of_projected, **draft.vectors}, state_gradients, of_states)


class _Draft:
    """A program without memory.

    Attributes:
        vectors: Factors of the gradients of weights, by their names.
    """

    def __init__(self, builder: Builder, parameters: Mapping[str, View]) -> None:
        self._builder, self._parameters = builder, parameters
        self.vectors: dict[str, View] = {}
        self._of_vectors: dict[str, int] = {}
        self._of_weights: list[WeightGradient] = []
        self._memory = Buffer(0, space="gradients")

    def add_gradient(self, name: str, value: Value, states: Mapping[str, View]) -> None:
        """Add the gradient of a parameter: what a step adds to it, or the vectors whose products it sums."""
        if isinstance(value, Outer):
            for row, column, left, right in value.terms:
                names = (self._name_of(view, states) for view in (left, right))
                self._of_weights.append(WeightGradient(name, row, column, *names))
            return
        if size := self._builder.add_gradient(value, self._parameters[name].shape, self._memory):
            self._of_vectors[name] = size

    def _name_of(self, view: View, states: Mapping[str, View]) -> str:
        view = self._builder.copied(view)
        known = {**states, **self.vectors}
        name = next((name for name, other in known.items() if _is_same(view, other)), f"vector.{len(self.vectors)}")
        if name not in known:
            self.vectors[name] = view
        return name

    def finish(
        self,
        loads: Mapping[str, View],
        stores: Mapping[str, Value],
        carried: Iterable[View],
        after: Sequence[Value],
    ) -> StepProgram:
        """Order the instructions by phases, leave out those without effect, and assign memory.

        What is carried stays from step to step, and has the values `after` after a step.
        """
        builder, carried = self._builder, list(carried)
        kept = {view.buffer for view in carried}
        stored = {name: self._apart(value, kept) for name, value in stores.items()}
        last = max(view.buffer.phase for view in (*map(builder.as_view, after), *stored.values()))
        builder.replace(carried, after, last)
        read = {view.buffer for view in (*stored.values(), *carried)}
        steps = arranged(builder.instructions, read)
        used = read | {view.buffer for each in steps for view, _ in each.operands[1:]}
        loads = {name: view for name, view in loads.items() if view.buffer in used}
        pinned = dict.fromkeys(view.buffer for view in (*loads.values(), *carried, *stored.values()))
        parameters = {name: view.buffer for name, view in self._parameters.items()}
        code = lay_out(steps, parameters, builder.constants, [*pinned], read, last + 1)
        multiplied = {each.weight.buffer for each in code.products if isinstance(each.weight, View)}
        return StepProgram(
            code,
            weights={buffer: name for name, buffer in parameters.items() if buffer in multiplied},
            loads={name: Place.of_view(view) for name, view in loads.items()},
            stores={name: Place.of_view(view) for name, view in stored.items()},
            carried=[Place.of_view(view) for view in carried],
            vector_gradients=self._of_vectors,
            weight_gradients=self._of_weights,
        )

    def _apart(self, value: Value, carried: set[Buffer]) -> View:
        """Return a contiguous view of a value in memory of its own, which is not changed at the end of a step."""
        view = self._builder.as_view(value)
        if view.buffer in carried or view.buffer.space == "parameters" or view.layout.numel() != view.buffer.size:
            return self._builder.copy(view, view.buffer.phase)
        return self._builder.copied(view)


def _is_same(one: View, other: View) -> bool:
    return one.buffer is other.buffer and one.layout.numel() == other.layout.numel() == one.buffer.size

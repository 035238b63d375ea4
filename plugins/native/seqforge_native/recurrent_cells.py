"""Any cell on a kernel that interprets the programs of its step, forward and backward over a whole sequence."""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqforge.cells import require_steps
from seqforge.kinds import Cell, ProjectedCell
from seqforge_native.built_in_cells import check_layout, check_state
from seqforge_native.generation import encode_product
from seqforge_native.library import Carried, HeldTensors, Library, Product, RowSequence, StepPort
from seqforge_native.matrices import linear, weight_and_bias_gradients
from seqforge_native.row_programs.arrangement import split_gradients
from seqforge_native.row_programs.memory import View
from seqforge_native.row_programs.step_program import StepProgram, StepPrograms, recurrent_weights


@dataclass(frozen=True, slots=True)
class StepKernel:
    """The kernel of a cell, which interprets its programs."""

    library: Library
    programs: StepPrograms

    def run(
        self,
        program: StepProgram,
        dtype: torch.dtype,
        tensors: Mapping[str, Tensor],
        numbers: Mapping[str, Tensor],
        history: Sequence[Float[Tensor, "later batch _"]],
        carried: Sequence[Float[Tensor, "batch _"]],
        vector_gradients: Float[Tensor, "threads _"] | None,
    ) -> None:
        """Run a program for all steps and rows, forward, or backward if there are gradients.

        Args:
            program: The program.
            dtype: Type of the products.
            tensors: Parameters and buffers of the cell.
            numbers: What is loaded and stored, by its names, `[steps, batch, _]`; what has no tensor is not stored.
            history: In the forward pass, where each part of the state is stored after each step, `[1 + steps, …]`.
            carried: What stays from step to step; changed to the numbers after the last step.
            vector_gradients: Where the gradients of parameters are added, or None.
        """
        held = HeldTensors()
        steps, batch = next(iter(numbers.values())).shape[:2]
        code = program.code
        weights = [cast("View", product.weight) for product in code.products]
        packed = [_weight_of(view, tensors[program.weights[view.buffer]]) for view in weights]
        products = (Product * len(packed))(
            *(encode_product(self.library, dtype, held, *each) for each in zip(code.products, packed, strict=True))
        )
        loads = _ports(program.loads.items(), numbers)
        stores = _ports(program.stores.items(), numbers)
        stores += [
            StepPort(place.offset, place.size, 0, 1, part.data_ptr())
            for place, part in zip(program.carried, history, strict=False)
        ]
        kept = [
            Carried(place.offset, place.size, part.data_ptr())
            for place, part in zip(program.carried, carried, strict=True)
        ]
        arrays = [
            (kind * len(items))(*items) for kind, items in ((StepPort, loads), (StepPort, stores), (Carried, kept))
        ]
        call = RowSequence(
            steps, batch, torch.get_num_threads(), int(vector_gradients is not None), code.row_size,
            code.temporary_size, 0 if vector_gradients is None else vector_gradients.shape[1], len(code.phases),
            len(products), len(loads), len(stores), len(kept), held.address(code.phases),
            held.address(code.instructions), ctypes.addressof(products), *map(ctypes.addressof, arrays),
            held.address(code.pack_parameters(tensors)),
            None if vector_gradients is None else vector_gradients.data_ptr(),
        )  # fmt: skip
        self.library.call("row_sequence", dtype, ctypes.byref(call))


def _weight_of(view: View, parameter: Tensor) -> Tensor:
    """Return the part of a parameter that a view selects, in float32."""
    matrix, layout = parameter.detach().float().contiguous(), view.layout
    return matrix.as_strided(layout.shape, layout.stride(), matrix.storage_offset() + layout.storage_offset())


def _ports(places: Any, numbers: Mapping[str, Tensor]) -> list[StepPort]:
    return [
        StepPort(place.offset, place.size, int(numbers[name].dtype == torch.bfloat16), 0, numbers[name].data_ptr())
        for name, place in places
        if name in numbers
    ]


def read_with_programs(
    cell: Cell[Any], kernel: StepKernel, dtype: torch.dtype, inputs: Tensor, state: Any
) -> tuple[Tensor, Any]:
    """Return the outputs of all steps and the state after the last step, with products in a type.

    Raises:
        ValueError: If the sequence has no steps, or the state or the projected inputs have another shape, type or
            device than the kernel reads.
    """
    require_steps(inputs)
    for part, example in zip(state, cell.initial_state(1), strict=True):
        check_state(part, (inputs.shape[1], *example.shape[1:]))
    projected = _project(cell, inputs)
    size = kernel.programs.backward.stores["projected'"].size
    check_layout("projected inputs", projected, (*inputs.shape[:2], size))
    if projected.dtype != torch.bfloat16:
        projected = projected.float()
    tensors = {**recurrent_weights(cell), **dict(cell.named_parameters()), **dict(cell.named_buffers())}
    used = kernel.programs.tensors
    tensors = {name: value for name, value in tensors.items() if name in used}
    with torch.autocast(inputs.device.type, enabled=False):
        outputs, *after = cast("Any", _Sequence).apply(
            kernel, dtype, [*tensors], len(state), projected, *state, *tensors.values()
        )
    return outputs, type(state)(*after)


def _project(cell: Cell[Any], inputs: Tensor) -> Tensor:
    """Return W x + b, by the products of this plugin if the cell leaves them to a backend."""
    if isinstance(cell, ProjectedCell) and type(cell).project is ProjectedCell.project and inputs.is_floating_point():
        weight = cell.input_weight
        return linear(inputs, weight, weight.new_zeros(len(weight)) if cell.bias is None else cell.bias)
    return cell.project(inputs)


def _flat(part: Tensor) -> Float[Tensor, "batch _"]:
    """Return a copy of a part of a state with one axis for its numbers."""
    return part.detach().reshape(len(part), part.shape[1:].numel()).clone()


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, kernel: StepKernel, dtype: torch.dtype, names: list[str], count: int, projected: Tensor, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        program, (steps, batch) = kernel.programs.forward, projected.shape[:2]
        states, tensors = rest[:count], dict(zip(names, rest[count:], strict=True))
        numbers = {
            "projected": projected.contiguous(),
            "output": torch.empty(steps, batch, program.stores["output"].size, dtype=dtype),
        }
        carried = [_flat(state) for state in states]
        history: list[Tensor] = []
        if any(ctx.needs_input_grad):
            for name, place in program.stores.items():
                numbers.setdefault(name, torch.empty(steps, batch, place.size))
            history = [torch.cat([part[None], part.new_empty(steps, *part.shape)]) for part in carried]
        kernel.run(program, dtype, tensors, numbers, history, carried, None)
        outputs = numbers.pop("output")
        ctx.kernel, ctx.dtype, ctx.names, ctx.numbers = kernel, dtype, names, [*numbers]
        ctx.shapes = [state.shape for state in states]
        if history:
            ctx.save_for_backward(*history, *numbers.values(), *rest[count:])
        return outputs, *(part.view(state.shape) for part, state in zip(carried, states, strict=True))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        kernel, dtype, saved = cast("StepKernel", ctx.kernel), ctx.dtype, cast("list[Tensor]", [*ctx.saved_tensors])
        program, count = kernel.programs.backward, len(ctx.shapes)
        history, saved = saved[:count], saved[count:]
        numbers = dict(zip(ctx.numbers, saved, strict=False))
        tensors = dict(zip(ctx.names, saved[len(numbers) :], strict=True))
        numbers |= {f"state.{index}": part[:-1] for index, part in enumerate(history)}
        steps, batch = gradients[0].shape[:2]
        numbers["output'"] = gradients[0].contiguous()
        numbers["projected'"] = torch.empty_like(numbers["projected"])
        for name, place in program.stores.items():
            numbers.setdefault(name, torch.empty(steps, batch, place.size, dtype=dtype))
        carried = [_flat(gradient) for gradient in gradients[1:]]
        of_vectors = torch.zeros(torch.get_num_threads(), sum(program.vector_gradients.values()))
        kernel.run(program, dtype, tensors, numbers, [], carried, of_vectors)
        found = split_gradients(of_vectors, program.vector_gradients, tensors)
        for term in program.weight_gradients:
            left, right = (numbers[name].to(dtype).flatten(0, 1) for name in (term.left, term.right))
            if term.name not in found:
                found[term.name] = torch.zeros_like(tensors[term.name])
            whole = found[term.name][term.row : term.row + left.shape[1], term.column : term.column + right.shape[1]]
            whole += weight_and_bias_gradients(left, right)[0]
        of_states = (part.view(shape) for part, shape in zip(carried, ctx.shapes, strict=True))
        return None, None, None, None, numbers["projected'"], *of_states, *(found.get(name) for name in tensors)

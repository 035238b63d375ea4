"""Cells with a matrix state on a kernel, which computes everything between the projection and the output."""

import ctypes
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqforge.cells import require_steps
from seqforge.kinds import MatrixStateCell
from seqforge_native.built_in_cells import check_state
from seqforge_native.library import Library, addresses, fields
from seqforge_native.row_programs.arrangement import split_gradients
from seqforge_native.row_programs.matrix_program import CellPrograms

CHUNK_STEPS = 16
"""Steps between two states that the forward pass stores for the backward pass: `chunk_steps` of the kernel."""

SEGMENT_STEPS = 256
"""Steps that a cell mixes at once. A sum over them, such as that of an mLSTM's gates, keeps most of its digits."""


class MatrixCell(ctypes.Structure):
    """`MatrixCell` of kernels/matrix_cell.hpp."""

    _fields_ = fields(
        "steps rows heads keys values decays rule input_size mixed_size output_size is_bfloat16 "
        "kept_size temporary_size gradient_size threads phase_end_0 phase_end_1 phase_end_2",
        "instructions ports gradient_ports inputs mixed parameters start reads outputs end checkpoints "
        "output_gradient end_gradient input_gradient mixed_gradient start_gradient parameter_gradients",
    )


@dataclass(frozen=True, slots=True)
class MatrixCellKernel:
    """The kernel of a cell, whose programs compute what is around the recurrence."""

    library: Library
    programs: CellPrograms
    output_size: int

    def run(self, name: str, inputs: Tensor, mixed: Tensor, start: Tensor, **tensors: Tensor | None) -> None:
        """Call the function for the pass `forward` or `backward` with its arguments and results, as in `MatrixCell`.

        The projected inputs are in float32 or bfloat16.
        """
        programs = self.programs
        program = programs.forward if name == "forward" else programs.backward
        code = program.code
        sizes = (
            *inputs.shape[:2],
            *start.shape[1:],
            programs.decays,
            programs.rule,
            inputs.shape[2],
            mixed.shape[2],
            self.output_size,
            int(inputs.dtype == torch.bfloat16),
            code.row_size,
            code.temporary_size,
            sum(program.gradients.values()),
            torch.get_num_threads(),
            *(int(end) for end in code.phases[:, 0]),
        )
        tensors |= {
            "instructions": code.instructions,
            "ports": program.ports,
            "gradient_ports": program.gradient_ports,
            "inputs": inputs,
            "mixed": mixed,
            "start": start,
        }
        call = MatrixCell(*sizes, **addresses(**tensors))
        self.library.call(f"{name}_matrix_cell", torch.float32, ctypes.byref(call))


def read_matrix_cell(
    cell: MatrixStateCell[Any], kernel: MatrixCellKernel, inputs: Tensor, state: Any
) -> tuple[Tensor, Any]:
    """Return the outputs of all steps and the state after the last step.

    Raises:
        ValueError: If the sequence has no steps, or the state has another shape, type or device than the kernel reads.
    """
    require_steps(inputs)
    check_state(state[0], (inputs.shape[1], cell.heads, cell.key_size, kernel.programs.values))
    projected = cell.project(inputs)
    if projected.dtype != torch.bfloat16:
        projected = projected.float()
    tensors = {**dict(cell.named_parameters()), **dict(cell.named_buffers())}
    parameters = [tensors[name] for name in kernel.programs.forward.code.parameters]
    outputs: list[Tensor] = []
    with torch.autocast(inputs.device.type, enabled=False):
        for segment in torch.split(projected, SEGMENT_STEPS):
            mixed, others = segment.new_empty(*segment.shape[:2], 0, dtype=torch.float32), ()
            if kernel.programs.mixes:
                mixed, others = cell.mix_steps(segment, state)
            output, memory = cast("Any", _MatrixCell).apply(kernel, segment, mixed.float(), state[0], *parameters)
            state = type(state)(memory, *others)
            outputs.append(output)
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs), state


class _MatrixCell(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, kernel: MatrixCellKernel, inputs: Tensor, mixed: Tensor, start: Tensor, *parameters: Tensor
    ) -> tuple[Tensor, Tensor]:
        learning, (steps, batch) = any(ctx.needs_input_grad), inputs.shape[:2]
        given = [tensor.contiguous() for tensor in (inputs, mixed, start)]
        outputs, end = start.new_empty(steps, batch, kernel.output_size), torch.empty_like(given[2])
        checkpoints = start.new_empty(-(-steps // CHUNK_STEPS), *start.shape) if learning else None
        reads = start.new_empty(steps, batch, start.shape[1], start.shape[3]) if learning else None
        code = kernel.programs.forward.code
        kernel.run(
            "forward",
            *given,
            parameters=code.pack_parameters(dict(zip(code.parameters, parameters, strict=True))),
            outputs=outputs,
            end=end,
            checkpoints=checkpoints,
            reads=reads,
        )
        if learning:
            ctx.kernel = kernel
            ctx.save_for_backward(checkpoints, reads, *given, *parameters)
        return outputs, end

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        checkpoints, reads, *saved = cast("tuple[Tensor, ...]", ctx.saved_tensors)
        kernel: MatrixCellKernel = ctx.kernel
        program, given = kernel.programs.backward, saved[:3]
        parameters = dict(zip(kernel.programs.forward.code.parameters, saved[3:], strict=True))
        output_gradient, end_gradient = (gradient.contiguous() for gradient in gradients)
        of_given = [torch.empty_like(tensor) for tensor in given]
        of_parameters = torch.zeros(torch.get_num_threads(), sum(program.gradients.values()))
        kernel.run(
            "backward",
            *given,
            parameters=program.code.pack_parameters(parameters),
            checkpoints=checkpoints,
            reads=reads,
            output_gradient=output_gradient,
            end_gradient=end_gradient,
            **dict(zip(("input_gradient", "mixed_gradient", "start_gradient"), of_given, strict=True)),
            parameter_gradients=of_parameters,
        )
        found = split_gradients(of_parameters, program.gradients, parameters)
        return None, *of_given, *(found.get(name) for name in parameters)

"""The backend `native`: RNN, GRU, LSTM, and any factored cell whose elementwise part can be traced, on C++ kernels."""

from functools import partial
from typing import Any, ClassVar, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from seqforge.interfaces import (
    Backend,
    BackendContext,
    Cell,
    ElementwiseCell,
    Equations,
    FactoredCell,
    GenerationKernel,
    GenerationModel,
    ProjectedCell,
    SequenceReader,
)
from seqforge_native.generation import NativeGenerationKernel, can_generate
from seqforge_native.layout import input_gates, interleaved, padded, stacked_parameters, why_not_elementwise
from seqforge_native.library import NEEDS, best_instruction_set, best_library, missing_kernels
from seqforge_native.sequence import SequenceKernel, built_in_kernel, read_sequence
from seqforge_native.traced.build import compile_program, find_compiler, is_compiled
from seqforge_native.traced.program import Program, plan
from seqforge_native.traced.trace import CompilableCell, trace
from seqforge_native.traced.values import UntraceableError

COMPILATION_SECONDS = 5.0
"""Typical time to compile a kernel: two seconds on an idle core, more on a busy one."""


class NativeBackend(Backend):
    """C++ kernels for AVX2, AVX-512 and AMX, in float32 or bfloat16, on a CPU.

    Kernels of RNN, GRU and LSTM are built when the plugin is installed. The kernel of any other factored cell is
    compiled at its first use and stored in the cache folder.
    """

    device_types: ClassVar[tuple[str, ...]] = ("cpu",)

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        """Explain why no kernel can run the cell; see `Backend.unsupported`."""
        reason = why_not_elementwise(cell)
        if reason is not None:
            return reason
        if any(parameter.dtype != torch.float32 for parameter in cell.parameters()):
            return "its parameters are not in float32"
        instruction_set = best_instruction_set()
        if instruction_set is None:
            return "this processor has no AVX2"
        if context.dtype not in (torch.float32, torch.bfloat16):
            return f"the kernels multiply in float32 or bfloat16, not in {str(context.dtype).removeprefix('torch.')}"
        if context.dtype == torch.bfloat16 and "avx512_bf16" not in NEEDS[instruction_set]:
            return "this processor has no bfloat16 products"
        compilable = cast("CompilableCell", cell)
        if _equations(compilable) is not None:
            library = best_library()
            built = library is not None and ("forward", context.dtype) in library.functions
            return None if built else missing_kernels()
        try:
            _program_of(compilable)
        except UntraceableError as error:
            return f"its elementwise part cannot be compiled: it contains {error}"
        return None if find_compiler() else "its kernel must be compiled, and there is no C++ compiler"

    def preparation_seconds(self, cell: Cell[Any], context: BackendContext) -> float:
        """Return the time to compile the kernel; 0 if it is built or in the cache folder."""
        compilable = cast("CompilableCell", cell)
        if _equations(compilable) is not None or is_compiled(_program_of(compilable), context.dtype):
            return 0.0
        return COMPILATION_SECONDS

    def sequence_reader(self, cell: Cell[Any], context: BackendContext) -> SequenceReader:
        """Return a reader that runs on a kernel, which is compiled if it is not in the cache folder.

        Raises:
            PluginError: If the compiler fails.
        """
        compilable, library = cast("CompilableCell", cell), best_library()
        equations = _equations(compilable)
        if equations is not None and library is not None:
            return partial(read_cell, compilable, built_in_kernel(library, equations), context.dtype)
        kernel = compile_program(_program_of(compilable), context.dtype, type(cell).__name__)
        return partial(read_cell, compilable, kernel, context.dtype)

    def generation_kernel(self, model: GenerationModel) -> GenerationKernel | None:
        """Return a kernel if every layer is an RNN, GRU or LSTM in float32 on the CPU."""
        library = best_library()
        return NativeGenerationKernel(library, model) if library is not None and can_generate(library, model) else None


def _equations(cell: CompilableCell) -> Equations | None:
    return cell.equations if isinstance(cell, FactoredCell) else None


_programs: WeakKeyDictionary[CompilableCell, Program] = WeakKeyDictionary()


def _program_of(cell: CompilableCell) -> Program:
    """Trace a cell; once, although several methods of the backend need the program.

    Raises:
        UntraceableError: If no kernel can compute its elementwise part.
    """
    if cell not in _programs:
        _programs[cell] = plan(trace(cell))
    return _programs[cell]


def read_cell(
    cell: CompilableCell, kernel: SequenceKernel, dtype: torch.dtype, inputs: Tensor, state: Any
) -> tuple[Tensor, Any]:
    """Return the outputs of all steps and the state after the last step, with products in a type.

    Hidden units of different heads do not depend on each other, so each head is read as a cell of its own.
    """
    lanes, count = kernel.library.lanes, kernel.gates
    recurrent_weight, heads = _recurrent_weight(cell)
    width = cell.hidden_size // heads
    projected = None if type(cell).project is ProjectedCell.project else cell.project(inputs)
    parameters = stacked_parameters(cell)
    outputs: list[Tensor] = []
    states: list[tuple[Tensor, ...]] = []
    for head in range(heads):
        if projected is not None:
            gates, symbols = interleaved(_columns(projected, head, heads, width), count, lanes), None
        else:
            bias = None if cell.bias is None else _rows(cell.bias, head, heads, width)
            gates, symbols = input_gates(_rows(cell.input_weight, head, heads, width), bias, inputs, count, lanes)
        output, after = read_sequence(
            kernel,
            dtype,
            gates,
            symbols,
            None if recurrent_weight is None else _rows(recurrent_weight, head, heads, width),
            width,
            padded(_columns(parameters, head, heads, width), lanes),
            tuple(padded(_columns(part, head, heads, width), lanes) for part in state),
        )
        outputs.append(output[..., :width])
        states.append(tuple(part[:, :width] for part in after))
    if heads == 1:
        return outputs[0], type(state)(*states[0])
    return torch.cat(outputs, -1), type(state)(*(torch.cat(parts, -1) for parts in zip(*states, strict=True)))


def _rows(tensor: Tensor, head: int, heads: int, width: int) -> Tensor:
    """Return the rows of one head of a tensor that has rows for one or more numbers of each hidden unit."""
    return tensor.reshape(-1, heads, width, *tensor.shape[1:])[:, head].flatten(0, 1)


def _columns(tensor: Tensor, head: int, heads: int, width: int) -> Tensor:
    """Return the columns of one head, on the last axis."""
    count = tensor.shape[-1] // (heads * width)
    return tensor.reshape(*tensor.shape[:-1], count, heads, width)[..., head, :].flatten(-2)


def _recurrent_weight(cell: CompilableCell) -> tuple[Tensor | None, int]:
    """Return the recurrent weight and the number of independent heads."""
    if isinstance(cell, ElementwiseCell):
        return None, 1
    if type(cell).recurrent_matrix is FactoredCell.recurrent_matrix:
        return cell.recurrent_weight, cell.heads
    return cell.recurrent_matrix(), 1

"""The backend `native`: RNN, GRU, LSTM, and any cell whose step can be traced, on C++ kernels."""

from functools import partial
from typing import Any, ClassVar, cast
from weakref import WeakKeyDictionary

import torch

from seqforge.kinds import (
    Backend,
    BackendContext,
    Cell,
    Equations,
    FactoredCell,
    GenerationKernel,
    GenerationModel,
    MatrixStateCell,
    OutputLayer,
    SequenceFunction,
)
from seqforge_native.cell_reader import read_cell
from seqforge_native.generation import find_kernel
from seqforge_native.kernel_build import NEEDS
from seqforge_native.library import Library, best_instruction_set, best_library, missing_kernels
from seqforge_native.matrices import linear
from seqforge_native.matrix_cells import MatrixCellKernel, read_matrix_cell
from seqforge_native.row_programs.program import CellPrograms, compile_programs
from seqforge_native.sequence import built_in_kernel
from seqforge_native.traced.build import compile_program, find_compiler, is_compiled
from seqforge_native.traced.program import Program, plan
from seqforge_native.traced.stages import StagedProgram, plan_stages
from seqforge_native.traced.trace import Trace, trace
from seqforge_native.traced.values import UntraceableError

COMPILATION_SECONDS = 2.0
"""Time to compile a kernel on an idle core. It takes longer on a busy one, but only once for each cell and machine."""


class NativeBackend(Backend):
    """C++ kernels for AVX2, AVX-512 and AMX, in float32 or bfloat16, on a CPU.

    Kernels of RNN, GRU and LSTM are built when the plugin is installed. The kernel of any other cell is compiled at
    its first use and stored in the cache folder.
    """

    device_types: ClassVar[tuple[str, ...]] = ("cpu",)

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        """Explain why no kernel can run the cell; see `Backend.unsupported`."""
        if any(parameter.dtype != torch.float32 for parameter in cell.parameters()):
            return "its parameters are not in float32"
        instruction_set = best_instruction_set()
        if instruction_set is None:
            return "this processor has no AVX2"
        if context.dtype not in (torch.float32, torch.bfloat16):
            return f"the kernels multiply in float32 or bfloat16, not in {str(context.dtype).removeprefix('torch.')}"
        if context.dtype == torch.bfloat16 and "avx512_bf16" not in NEEDS[instruction_set]:
            return "this processor has no bfloat16 products"
        built_in = _built_in_function(cell, context)
        if built_in is not None:
            library = best_library()
            if library is None or built_in not in library.functions:
                return missing_kernels()
        if _equations(cell) is not None:
            return None
        try:
            _program_of(cell)
        except UntraceableError as error:
            return f"its step cannot be compiled: it contains {error}"
        if isinstance(cell, MatrixStateCell):
            return None
        return None if find_compiler() else "its kernel must be compiled, and there is no C++ compiler"

    def preparation_seconds(self, cell: Cell[Any], context: BackendContext) -> float:
        """Return the time to compile the kernel; 0 if it is built or in the cache folder."""
        if _built_in_function(cell, context) is not None:
            return 0.0
        return 0.0 if is_compiled(cast("_Compiled", _program_of(cell)), context.dtype) else COMPILATION_SECONDS

    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> SequenceFunction:
        """Return a reader that runs on a kernel, which is compiled if it is not in the cache folder.

        Raises:
            PluginError: If the compiler fails.
        """
        library, equations = best_library(), _equations(cell)
        if equations is not None and library is not None:
            return partial(read_cell, cell, built_in_kernel(library, equations), context.dtype)
        program = _program_of(cell)
        if isinstance(program, CellPrograms):
            matrix_cell = cast("MatrixStateCell[Any]", cell)
            kernel = MatrixCellKernel(cast("Library", library), program, cell.hidden_size)
            return partial(read_matrix_cell, matrix_cell, kernel)
        return partial(read_cell, cell, compile_program(program, context.dtype, type(cell).__name__), context.dtype)

    def output_layer(self, context: BackendContext) -> OutputLayer:
        """Return the product of the native kernels, or of oneDNN or torch if there is none for its type or size."""
        return partial(linear, result=torch.float32)

    def generation_kernel(self, model: GenerationModel) -> GenerationKernel | None:
        """Return a kernel if a program can compute the steps of all layers, in float32 on the CPU."""
        library = best_library()
        return None if library is None else find_kernel(library, model)


def _equations(cell: Cell[Any]) -> Equations | None:
    return cell.equations if isinstance(cell, FactoredCell) else None


def _built_in_function(cell: Cell[Any], context: BackendContext) -> tuple[str, torch.dtype] | None:
    """Return the kernel of `Library.functions` that runs a cell, or None if one must be compiled for it."""
    if isinstance(cell, MatrixStateCell):
        return "forward_matrix_cell", torch.float32  # only the input projection has another type
    return None if _equations(cell) is None else ("forward", context.dtype)


_Compiled = Program | StagedProgram

_programs: WeakKeyDictionary[Cell[Any], _Compiled | CellPrograms] = WeakKeyDictionary()


def _program_of(cell: Cell[Any]) -> _Compiled | CellPrograms:
    """Trace a cell; once, although several methods of the backend need the program.

    Raises:
        UntraceableError: If no kernel can compute its step.
    """
    if cell not in _programs:
        is_matrix_cell = isinstance(cell, MatrixStateCell)
        _programs[cell] = compile_programs(cell) if is_matrix_cell else plan_kernel(trace(cell))
    return _programs[cell]


def plan_kernel(traced: Trace) -> Program | StagedProgram:
    """Plan the kernel of a traced step: one of several stages if its hidden units exchange numbers within the step."""
    return plan_stages(traced) if traced.crosses_units else plan(traced)

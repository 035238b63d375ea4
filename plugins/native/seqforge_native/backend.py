"""The backend `native`: RNN, GRU, LSTM, and any cell whose step can be recorded, on C++ kernels."""

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
from seqforge_native.built_in_cells import built_in_kernel, read_built_in
from seqforge_native.generation import find_kernel
from seqforge_native.kernel_build import NEEDS
from seqforge_native.library import Library, best_library, missing_kernels, runnable_instruction_sets
from seqforge_native.matrices import linear
from seqforge_native.matrix_cells import MatrixCellKernel, read_matrix_cell
from seqforge_native.recurrent_cells import StepKernel, read_with_programs
from seqforge_native.row_programs.matrix_program import CellPrograms, compile_programs
from seqforge_native.row_programs.memory import UntraceableError
from seqforge_native.row_programs.step_program import StepPrograms, compile_step


class NativeBackend(Backend):
    """C++ kernels for AVX2, AVX-512, AMX and NEON, in float32 or bfloat16, on a CPU.

    RNN, GRU and LSTM have kernels of their own. That of any other cell interprets a program, which is recorded from the
    step of the cell.
    """

    device_types: ClassVar[tuple[str, ...]] = ("cpu",)

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        """Explain why no kernel can run the cell; see `Backend.unsupported`."""
        if any(parameter.dtype != torch.float32 for parameter in cell.parameters()):
            return "its parameters are not in float32"
        instruction_sets = runnable_instruction_sets()
        if not instruction_sets:
            return missing_kernels()
        if context.dtype not in (torch.float32, torch.bfloat16):
            return f"the kernels multiply in float32 or bfloat16, not in {str(context.dtype).removeprefix('torch.')}"
        if context.dtype == torch.bfloat16 and "avx512_bf16" not in NEEDS[instruction_sets[0]]:
            return "the kernels multiply in bfloat16 with AVX-512 BF16 only, which this processor does not have"
        library = best_library()
        if library is None or _function(cell, context) not in library.functions:
            return missing_kernels()
        if _equations(cell) is not None:
            return None
        try:
            _programs_of(cell)
        except UntraceableError as error:
            return f"no kernel can compute its step: it contains {error}"
        return None

    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> SequenceFunction:
        """Return a reader that runs on a kernel."""
        library, equations = cast("Library", best_library()), _equations(cell)
        if equations is not None:
            return partial(read_built_in, cell, built_in_kernel(library, equations), context.dtype)
        programs = _programs_of(cell)
        if isinstance(programs, CellPrograms):
            matrix_cell = cast("MatrixStateCell[Any]", cell)
            return partial(read_matrix_cell, matrix_cell, MatrixCellKernel(library, programs, cell.hidden_size))
        return partial(read_with_programs, cell, StepKernel(library, programs), context.dtype)

    def output_layer(self, context: BackendContext) -> OutputLayer:
        """Return the product of the native kernels, or of oneDNN or torch if there is none for its type or size."""
        return partial(linear, result=torch.float32)

    def generation_kernel(self, model: GenerationModel) -> GenerationKernel | None:
        """Return a kernel if a program can compute the steps of all layers, in float32 on the CPU."""
        library = best_library()
        return None if library is None else find_kernel(library, model)


def _equations(cell: Cell[Any]) -> Equations | None:
    return cell.equations if isinstance(cell, FactoredCell) else None


def _function(cell: Cell[Any], context: BackendContext) -> tuple[str, torch.dtype]:
    """Return the kernel of `Library.functions` that runs a cell."""
    if isinstance(cell, MatrixStateCell):
        return "forward_matrix_cell", torch.float32  # only the input projection has another type
    return "row_sequence" if _equations(cell) is None else "forward", context.dtype


_known: WeakKeyDictionary[Cell[Any], StepPrograms | CellPrograms] = WeakKeyDictionary()


def _programs_of(cell: Cell[Any]) -> StepPrograms | CellPrograms:
    """Record a cell; once, although several methods of the backend need the programs.

    Raises:
        UntraceableError: If no kernel can compute its step.
    """
    if cell not in _known:
        with torch.random.fork_rng(devices=[]):  # The cell may draw masks, as it does in training.
            _known[cell] = compile_programs(cell) if isinstance(cell, MatrixStateCell) else compile_step(cell)
    return _known[cell]

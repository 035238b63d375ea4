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
    FactoredCell,
    GenerationKernel,
    GenerationModel,
    SequenceReader,
)
from seqforge_native.generation import NativeGenerationKernel, can_generate
from seqforge_native.layout import input_gates, padded, stacked_parameters, why_not_elementwise
from seqforge_native.library import NEEDS, best_instruction_set, best_library, missing_kernels
from seqforge_native.sequence import SequenceKernel, built_in_kernel, read_sequence
from seqforge_native.traced.build import compile_program, find_compiler, is_compiled
from seqforge_native.traced.program import Program, plan
from seqforge_native.traced.trace import trace
from seqforge_native.traced.values import UntraceableError

COMPILATION_SECONDS = 10.0
"""Typical time to compile a kernel: three seconds on an idle core, more on a busy one."""


class NativeBackend(Backend):
    """C++ kernels for AVX2, AVX-512 and AVX-512 bfloat16, in float32 or bfloat16, on a CPU.

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
        factored = cast("FactoredCell[Any]", cell)
        if factored.equations is not None:
            library = best_library()
            built = library is not None and ("forward", context.dtype) in library.functions
            return None if built else missing_kernels()
        try:
            _program_of(factored)
        except UntraceableError as error:
            return f"its elementwise part cannot be compiled: it contains {error}"
        return None if find_compiler() else "its kernel must be compiled, and there is no C++ compiler"

    def preparation_seconds(self, cell: Cell[Any], context: BackendContext) -> float:
        """Return the time to compile the kernel; 0 if it is built or in the cache folder."""
        factored = cast("FactoredCell[Any]", cell)
        if factored.equations is not None or is_compiled(_program_of(factored)):
            return 0.0
        return COMPILATION_SECONDS

    def sequence_reader(self, cell: Cell[Any], context: BackendContext) -> SequenceReader:
        """Return a reader that runs on a kernel, which is compiled if it is not in the cache folder.

        Raises:
            PluginError: If the compiler fails.
        """
        factored, library = cast("FactoredCell[Any]", cell), best_library()
        if factored.equations is not None and library is not None:
            return partial(read_cell, factored, built_in_kernel(library, factored.equations), context.dtype)
        return partial(read_cell, factored, compile_program(_program_of(factored)), context.dtype)

    def generation_kernel(self, model: GenerationModel) -> GenerationKernel | None:
        """Return a kernel if every layer is an RNN, GRU or LSTM in float32 on the CPU."""
        library = best_library()
        return NativeGenerationKernel(library, model) if library is not None and can_generate(library, model) else None


_programs: WeakKeyDictionary[FactoredCell[Any], Program] = WeakKeyDictionary()


def _program_of(cell: FactoredCell[Any]) -> Program:
    """Trace a cell; once, although several methods of the backend need the program.

    Raises:
        UntraceableError: If no kernel can compute its elementwise part.
    """
    if cell not in _programs:
        _programs[cell] = plan(trace(cell))
    return _programs[cell]


def read_cell(
    cell: FactoredCell[Any], kernel: SequenceKernel, dtype: torch.dtype, inputs: Tensor, state: Any
) -> tuple[Tensor, Any]:
    """Return the outputs of all steps and the state after the last step, with products in a type."""
    lanes, hidden_size = kernel.library.lanes, cell.hidden_size
    gates, symbols = input_gates(cell, inputs, kernel.gates, lanes)
    parameters = padded(stacked_parameters(cell), lanes)
    before = tuple(padded(part, lanes) for part in state)
    outputs, after = read_sequence(kernel, dtype, gates, symbols, cell.recurrent_weight, parameters, before)
    return outputs[..., :hidden_size], type(state)(*(part[:, :hidden_size] for part in after))

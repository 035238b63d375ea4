"""The backend `native`: RNN, GRU, LSTM, and any cell whose step can be traced, on C++ kernels."""

from functools import partial
from typing import Any, ClassVar, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from seqforge.cells import require_steps
from seqforge.interfaces import (
    Backend,
    BackendContext,
    Cell,
    Equations,
    FactoredCell,
    GenerationKernel,
    GenerationModel,
    OutputLayer,
    ProjectedCell,
    SequenceReader,
)
from seqforge_native.generation import NativeGenerationKernel, can_generate
from seqforge_native.kernel_build import NEEDS
from seqforge_native.layout import heads_of, input_gates, interleaved, padded, stacked_parameters, weights_of
from seqforge_native.library import best_instruction_set, best_library, missing_kernels
from seqforge_native.matrices import linear
from seqforge_native.sequence import SequenceKernel, built_in_kernel, read_sequence
from seqforge_native.traced.build import compile_program, find_compiler, is_compiled
from seqforge_native.traced.program import Program, plan
from seqforge_native.traced.staged_sequence import StagedKernel, read_staged_sequence
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
        if _equations(cell) is not None:
            library = best_library()
            built = library is not None and ("forward", context.dtype) in library.functions
            return None if built else missing_kernels()
        try:
            _program_of(cell)
        except UntraceableError as error:
            return f"its step cannot be compiled: it contains {error}"
        return None if find_compiler() else "its kernel must be compiled, and there is no C++ compiler"

    def preparation_seconds(self, cell: Cell[Any], context: BackendContext) -> float:
        """Return the time to compile the kernel; 0 if it is built or in the cache folder."""
        if _equations(cell) is not None or is_compiled(_program_of(cell), context.dtype):
            return 0.0
        return COMPILATION_SECONDS

    def sequence_reader(self, cell: Cell[Any], context: BackendContext) -> SequenceReader:
        """Return a reader that runs on a kernel, which is compiled if it is not in the cache folder.

        Raises:
            PluginError: If the compiler fails.
        """
        library, equations = best_library(), _equations(cell)
        if equations is not None and library is not None:
            return partial(read_cell, cell, built_in_kernel(library, equations), context.dtype)
        kernel = compile_program(_program_of(cell), context.dtype, type(cell).__name__)
        return partial(read_cell, cell, kernel, context.dtype)

    def output_layer(self, context: BackendContext) -> OutputLayer:
        """Return the product of the native kernels, or of oneDNN or torch if there is none for its type or size."""
        return partial(linear, result=torch.float32)

    def generation_kernel(self, model: GenerationModel) -> GenerationKernel | None:
        """Return a kernel if every layer is an RNN, GRU or LSTM in float32 on the CPU."""
        library = best_library()
        return NativeGenerationKernel(library, model) if library is not None and can_generate(library, model) else None


def _equations(cell: Cell[Any]) -> Equations | None:
    return cell.equations if isinstance(cell, FactoredCell) else None


_programs: WeakKeyDictionary[Cell[Any], Program | StagedProgram] = WeakKeyDictionary()


def _program_of(cell: Cell[Any]) -> Program | StagedProgram:
    """Trace a cell; once, although several methods of the backend need the program.

    Raises:
        UntraceableError: If no kernel can compute its step.
    """
    if cell not in _programs:
        _programs[cell] = plan_kernel(trace(cell))
    return _programs[cell]


def plan_kernel(traced: Trace) -> Program | StagedProgram:
    """Plan the kernel of a traced step: one of several stages if its hidden units exchange numbers within the step."""
    return plan_stages(traced) if traced.crosses_units else plan(traced)


def read_cell(
    cell: Cell[Any], kernel: SequenceKernel | StagedKernel, dtype: torch.dtype, inputs: Tensor, state: Any
) -> tuple[Tensor, Any]:
    """Return the outputs of all steps and the state after the last step, with products in a type.

    Hidden units of different heads do not depend on each other, so each head is read as a cell of its own.

    Raises:
        ValueError: If the sequence has no steps, or the state or the projected inputs have another shape, type or
            device than the kernel reads.
    """
    require_steps(inputs)
    for part in cast("tuple[Tensor, ...]", state):
        _check("a state", part, (inputs.shape[1], cell.hidden_size))
        if part.dtype != torch.float32:
            raise ValueError(f"a state in {str(part.dtype).removeprefix('torch.')}; it must be in float32")
    lanes, count, heads = kernel.library.lanes, kernel.gates, heads_of(cell)
    width = cell.hidden_size // heads
    weights = list(weights_of(cell, by_head=True).values())
    plain = isinstance(cell, ProjectedCell) and type(cell).project is ProjectedCell.project
    projected = None if plain else cell.project(inputs)
    if projected is not None:
        _check("projected inputs", projected, (*inputs.shape[:2], count * cell.hidden_size))
    parameters = stacked_parameters(cell)
    outputs: list[Tensor] = []
    states: list[tuple[Tensor, ...]] = []
    for head in range(heads):
        if projected is None:
            source = cast("ProjectedCell[Any]", cell)
            bias = None if source.bias is None else _rows(source.bias, head, heads, width)
            gates, symbols = input_gates(_rows(source.input_weight, head, heads, width), bias, inputs, count, lanes)
        else:
            gates, symbols = interleaved(_columns(projected, head, heads, width), count, lanes), None
        own_weights = [_rows(weight, head, heads, width) for weight in weights]
        own_parameters = padded(_columns(parameters, head, heads, width), lanes)
        own_state = tuple(padded(_columns(part, head, heads, width), lanes) for part in state)
        if isinstance(kernel, StagedKernel):
            read = read_staged_sequence(kernel, dtype, gates, symbols, own_weights, width, own_parameters, own_state)
        else:
            weight = own_weights[0] if isinstance(cell, FactoredCell) else None
            read = read_sequence(kernel, dtype, gates, symbols, weight, width, own_parameters, own_state)
        output, after = read
        outputs.append(output[..., :width])
        states.append(tuple(part[:, :width] for part in after))
    if heads == 1:
        return outputs[0], type(state)(*states[0])
    return torch.cat(outputs, -1), type(state)(*(torch.cat(parts, -1) for parts in zip(*states, strict=True)))


def _check(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Raise an error if a tensor, of which a kernel receives only the address, has another shape or device."""
    if tensor.shape != shape or tensor.device.type != "cpu":
        found = f"the shape {tuple(tensor.shape)} on {tensor.device.type}"
        raise ValueError(f"{name} of {found}; with this cell and these inputs, it must be {shape} on cpu")


def _rows(tensor: Tensor, head: int, heads: int, width: int) -> Tensor:
    """Return the rows of one head of a tensor that has rows for one or more numbers of each hidden unit."""
    if heads == 1:
        return tensor
    return tensor.reshape(-1, heads, width, *tensor.shape[1:])[:, head].flatten(0, 1)


def _columns(tensor: Tensor, head: int, heads: int, width: int) -> Tensor:
    """Return the columns of one head, on the last axis."""
    if heads == 1:
        return tensor
    count = tensor.shape[-1] // (heads * width)
    return tensor.reshape(*tensor.shape[:-1], count, heads, width)[..., head, :].flatten(-2)

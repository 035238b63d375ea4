"""Whole sequences of any factored cell, on a kernel made from its pointwise part."""

import warnings
from typing import Any

import torch
from torch import Tensor

from seqforge.cells import product_dtype
from seqforge.hardware import instruction_sets
from seqforge.interfaces import FactoredCell, SequenceReader
from seqforge_native.cell import NativeCell
from seqforge_native.inputs import input_gates
from seqforge_native.layout import padded
from seqforge_native.library import NEEDS, best_library
from seqforge_native.traced.build import CompilationError, build
from seqforge_native.traced.kernel import TracedKernel
from seqforge_native.traced.program import plan
from seqforge_native.traced.sequence import read_sequence
from seqforge_native.traced.source import write_source
from seqforge_native.traced.trace import further_parameters, trace
from seqforge_native.traced.values import UntraceableError


def sequence_reader(cell: FactoredCell[Any]) -> SequenceReader | None:
    """Make a kernel of a cell's pointwise part.

    Args:
        cell: Any cell.

    Returns:
        What reads sequences by it, or None where it cannot be done on this machine or for this cell: one that is native
        already, or whose pointwise part is more than arithmetic within each hidden unit.
    """
    instruction_set = next((name for name, needs in NEEDS.items() if needs <= instruction_sets()), None)
    native_already = isinstance(cell, NativeCell) and best_library() is not None
    if instruction_set is None or native_already or not all(map(_is_plain, cell.parameters())):
        return None
    try:
        program = plan(trace(cell))
        kernel = TracedKernel(build(write_source(program), instruction_set), program)
    except UntraceableError:
        return None
    except CompilationError as error:
        warnings.warn(f"no kernel can be compiled for {type(cell).__name__}: {error}", stacklevel=2)
        return None

    def read(cell: FactoredCell[Any], inputs: Tensor, state: tuple[Tensor, ...]) -> Any:
        return _read(kernel, cell, inputs, state)

    return read


def _read(kernel: TracedKernel, cell: FactoredCell[Any], inputs: Tensor, state: tuple[Tensor, ...]) -> Any:
    dtype, library = product_dtype(cell.recurrent_weight), kernel.library
    plain = (cell.recurrent_weight, *state)
    if ("forward", dtype) not in library.functions or not all(_is_plain(tensor) for tensor in plain):
        return None
    lanes, hidden_size = library.lanes, cell.hidden_size
    gates, symbols = input_gates(cell, inputs, kernel.program.trace.gates, lanes)
    outputs, after = read_sequence(
        kernel,
        dtype,
        gates,
        symbols,
        cell.recurrent_weight,
        padded(_registers(cell), lanes),
        tuple(padded(part, lanes) for part in state),
    )
    return outputs[..., :hidden_size], type(state)(*(part[:, :hidden_size] for part in after))


def _is_plain(tensor: Tensor) -> bool:
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu"


def _registers(cell: FactoredCell[Any]) -> Tensor:
    """Put all further parameters one below the other."""
    parameters = [value.reshape(-1, cell.hidden_size) for _, value in further_parameters(cell)]
    return torch.cat(parameters) if parameters else cell.bias.new_zeros(0, cell.hidden_size)

"""The recurrence of matrix states on a kernel, and cells that use it."""

import ctypes
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqforge.cells import require_steps
from seqforge.kinds import MatrixStateCell
from seqforge.matrix_states import Memory, Parts, Reads
from seqforge_native.library import Library, fields

CHUNK_STEPS = 16
"""Steps between two states that the forward pass stores for the backward pass: `chunk_steps` of the kernel."""

SEGMENT_STEPS = 256
"""Steps that a cell advances at once. A sum over them, such as that of an mLSTM's gates, keeps most of its digits."""

_INPUTS = ("query", "key", "read", "write", "value", "decay", "start")


class MatrixStates(ctypes.Structure):
    """`MatrixStates` of kernels/matrix_states.hpp."""

    _fields_ = fields(
        "steps rows keys values decays is_delta threads",
        "query key read write value decay start outputs end checkpoints output_gradient end_gradient "
        "query_gradient key_gradient read_gradient write_gradient value_gradient decay_gradient start_gradient",
    )


def read_matrix_cell(cell: MatrixStateCell[Any], library: Library, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Return the outputs of all steps and the state after the last step.

    The kernel computes the recurrence. The projection before it and the readout are operations of torch.

    Raises:
        ValueError: If the sequence has no steps, or the state has another shape or type than the kernel reads.
    """
    require_steps(inputs)
    memory = cast("Tensor", state[0])
    if memory.dtype != torch.float32 or memory.ndim != 4 or len(memory) != inputs.shape[1]:
        raise ValueError(f"a state {list(memory.shape)} in {memory.dtype}; the kernel reads float32 for each row")
    projected = cell.project(inputs).to(memory.dtype)

    def recurrence(parts: Parts, memory: Memory) -> tuple[Reads, Memory]:
        return run_matrix_states(library, parts, memory)

    outputs: list[Tensor] = []
    with torch.autocast(inputs.device.type, enabled=False):
        for segment in torch.split(projected, SEGMENT_STEPS):
            output, state = cell.advance(segment, state, recurrence)
            outputs.append(output)
    return torch.cat(outputs), state


def run_matrix_states(library: Library, parts: Parts, memory: Memory) -> tuple[Reads, Memory]:
    """Compute the recurrence of `seqforge.matrix_states.read_steps` on a kernel, in float32.

    Raises:
        RuntimeError: If the shape of a part does not fit the state.
    """
    rows, (keys, values) = (len(parts.key), *memory.shape[:2]), memory.shape[2:]
    decay = memory.new_ones(1) if parts.log_decay is None else parts.log_decay.exp()
    decay = decay if decay.ndim == len(rows) + 1 else decay[..., None]
    is_delta = parts.read is not None and parts.write is not None
    read, write = (part if is_delta else None for part in (parts.read, parts.write))
    # The kernel reads as many numbers as the sizes say: a part that is the same for all heads must be expanded.
    tensors = [
        memory.new_empty(0) if part is None else part.to(memory.dtype).expand(*rows, size)
        for part, size in (
            (parts.query, keys),
            (parts.key, keys),
            (read, keys),
            (write, keys),
            (parts.value, values),
            (decay, 1 if decay.shape[-1] == 1 else keys),
        )
    ]
    return cast("Any", _MatrixStates).apply(library, *tensors, memory)


class _MatrixStates(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, library: Library, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        inputs = [tensor.detach().contiguous() for tensor in tensors]
        query, value, start = inputs[0], inputs[4], inputs[6]
        outputs, end = value.new_empty(value.shape), torch.empty_like(start)
        chunks = -(-len(query) // CHUNK_STEPS) if any(ctx.needs_input_grad) else 0
        checkpoints = start.new_empty(chunks, *start.shape)
        call = _call(inputs)
        call.outputs, call.end = outputs.data_ptr(), end.data_ptr()
        call.checkpoints = checkpoints.data_ptr() if chunks else None
        library.call("forward_matrix_states", torch.float32, ctypes.byref(call))
        ctx.library = library
        ctx.save_for_backward(checkpoints, *inputs)
        return outputs, end

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        checkpoints, *inputs = cast("tuple[Tensor, ...]", ctx.saved_tensors)
        output_gradient, end_gradient = (gradient.contiguous() for gradient in gradients)
        results = [torch.empty_like(tensor) for tensor in inputs]
        call = _call(inputs)
        call.checkpoints = checkpoints.data_ptr()
        call.output_gradient, call.end_gradient = output_gradient.data_ptr(), end_gradient.data_ptr()
        for name, result in zip(_INPUTS, results, strict=True):
            setattr(call, f"{name}_gradient", result.data_ptr())
        ctx.library.call("backward_matrix_states", torch.float32, ctypes.byref(call))
        return (None, *results)


def _call(inputs: list[Tensor]) -> MatrixStates:
    """Return the arguments of a kernel without its results. The tensors must outlive it."""
    query, _, read, _, value, decay, _ = inputs
    steps, batch, heads, keys = query.shape
    is_delta = int(read.numel() > 0)
    sizes = (steps, batch * heads, keys, value.shape[-1], decay.shape[-1], is_delta, torch.get_num_threads())
    call = MatrixStates(*sizes)
    for name, tensor in zip(_INPUTS, inputs, strict=True):
        setattr(call, name, tensor.data_ptr())
    return call

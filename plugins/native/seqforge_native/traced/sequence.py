"""A whole sequence on a traced kernel, and its gradients."""

from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqforge.cells import matrix_product
from seqforge_native.layout import separated
from seqforge_native.sequence import checked_symbols, rows_gradient
from seqforge_native.traced.kernel import TracedBackward, TracedForward, TracedKernel


def read_sequence(
    kernel: TracedKernel,
    dtype: torch.dtype,
    gates: Float[Tensor, "time batch gates"] | Float[Tensor, "symbols gates"],
    symbols: Int[Tensor, "time batch"] | None,
    recurrent_weight: Float[Tensor, "cell_gates hidden"],
    parameters: Float[Tensor, "registers padded"],
    state: tuple[Float[Tensor, "batch padded"], ...],
) -> tuple[Float[Tensor, "time batch padded"], tuple[Float[Tensor, "batch padded"], ...]]:
    """Carry a state through a sequence.

    Args:
        kernel: The cell's.
        dtype: Of the products, of what is kept for the backward pass, and of the outputs.
        gates: The inputs' side of every step, in the kernels' order; or, with symbols, that of every symbol.
        symbols: What is read, or None.
        recurrent_weight: In float32, as the cell keeps it.
        parameters: What the pointwise part reads beside its arguments, filled up to whole registers.
        state: In float32, filled up to whole registers.

    Returns:
        The output of every step, and the state after the last.

    Raises:
        IndexError: Where a symbol is not in the table.
    """
    if symbols is not None:
        symbols = checked_symbols(symbols, len(gates))
    learning = torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (gates, recurrent_weight, parameters, *state)
    )
    results: tuple[Tensor, ...] = cast("Any", _TracedSequence).apply(
        kernel, dtype, learning, gates, symbols, recurrent_weight, parameters, *state
    )
    outputs, *after = results
    return outputs, tuple(after)


class _TracedSequence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        kernel: TracedKernel,
        dtype: torch.dtype,
        learning: bool,
        gates: Tensor,
        symbols: Tensor | None,
        recurrent_weight: Tensor,
        parameters: Tensor,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        library, program = kernel.library, kernel.program
        count, hidden_size = program.trace.gates, recurrent_weight.shape[1]
        steps = len(gates) if symbols is None else len(symbols)
        batch, width = state[0].shape
        threads, filled = torch.get_num_threads(), _filled(hidden_size, width, library.lanes)
        source, parameters = gates.to(dtype).contiguous(), parameters.contiguous()
        weight = torch.empty(count * width, width, dtype=dtype)
        library.call("pack", dtype, 0, recurrent_weight.contiguous(), hidden_size, hidden_size, threads, weight, None)
        hidden = torch.empty(steps + 1, batch, width, dtype=dtype)
        hidden[0] = state[0]
        carried = state[0].clone(memory_format=torch.contiguous_format)
        others = torch.empty(len(state) - 1, steps + 1, batch, width)
        for part, given in zip(others, state[1:], strict=True):
            part[0] = given
        saved = len(program.saved)
        activations = torch.empty(steps, batch, saved * width, dtype=dtype) if learning and saved else None
        outputs = None if program.trace.writes_hidden else torch.empty(steps, batch, width, dtype=dtype)
        call = TracedForward(
            steps,
            batch,
            width // library.lanes,
            threads,
            input_gates=source.data_ptr(),
            symbols=_address(symbols),
            weight=weight.data_ptr(),
            hidden=hidden.data_ptr(),
            carried=carried.data_ptr(),
            activations=_address(activations),
            others=others.data_ptr(),
            parameters=parameters.data_ptr(),
            outputs=_address(outputs),
            filled=filled.data_ptr(),
        )
        library.call("forward", dtype, 0, call)
        if learning:
            ctx.kernel, ctx.table_size = kernel, None if symbols is None else len(gates)
            ctx.save_for_backward(symbols, recurrent_weight, parameters, hidden, activations, others)
        return (hidden[1:] if outputs is None else outputs), carried, *(part[-1].clone() for part in others)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        kernel: TracedKernel = ctx.kernel
        library, program = kernel.library, kernel.program
        symbols, recurrent_weight, parameters, hidden, activations, others = ctx.saved_tensors
        dtype, count, hidden_size = hidden.dtype, program.trace.gates, recurrent_weight.shape[1]
        output_gradient: Tensor = gradients[0].contiguous()
        steps, batch, width = output_gradient.shape
        threads, filled = torch.get_num_threads(), _filled(hidden_size, width, library.lanes)
        weight = torch.empty(width, count * width, dtype=dtype)
        library.call("pack", dtype, 0, recurrent_weight.contiguous(), hidden_size, hidden_size, threads, None, weight)
        input_gradient = torch.empty(steps, batch, count * width, dtype=dtype)
        recurrent_gradient = input_gradient if program.one_gradient else torch.empty_like(input_gradient)
        hidden_gradient = gradients[1].clone(memory_format=torch.contiguous_format)
        other_gradients = torch.stack(gradients[2:]) if len(others) else others
        parameter_gradients = torch.zeros(threads, *parameters.shape)
        call = TracedBackward(
            steps,
            batch,
            width // library.lanes,
            threads,
            output_gradient=output_gradient.data_ptr(),
            weight=weight.data_ptr(),
            hidden=hidden.data_ptr(),
            activations=_address(activations),
            input_gradient=input_gradient.data_ptr(),
            recurrent_gradient=recurrent_gradient.data_ptr(),
            hidden_gradient=hidden_gradient.data_ptr(),
            first_wanted=int(ctx.needs_input_grad[7]),
            others=others.data_ptr(),
            other_gradients=other_gradients.data_ptr(),
            parameters=parameters.data_ptr(),
            parameter_gradients=parameter_gradients.data_ptr(),
            parameter_count=len(parameters),
            filled=filled.data_ptr(),
        )
        library.call("backward", dtype, 0, call)
        by_gate = matrix_product(recurrent_gradient.flatten(0, 1).t(), hidden[:-1].flatten(0, 1))
        weight_gradient = separated(by_gate, count, hidden_size, library.lanes)[:, :hidden_size]
        if symbols is not None:
            input_gradient = rows_gradient(library, symbols, input_gradient, ctx.table_size)
        return (
            None,
            None,
            None,
            input_gradient,
            None,
            weight_gradient.to(recurrent_weight.dtype, memory_format=torch.contiguous_format),
            parameter_gradients.sum(0),
            hidden_gradient,
            *other_gradients,
        )


def _filled(hidden_size: int, width: int, lanes: int) -> Tensor:
    return (torch.arange(width - lanes, width) < hidden_size).float()


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()

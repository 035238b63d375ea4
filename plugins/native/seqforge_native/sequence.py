"""A whole sequence on the compiled kernels, and its gradients."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqforge.cells import matrix_product
from seqforge_native.layout import separated
from seqforge_native.library import Backward, Forward, Library


@dataclass(frozen=True, slots=True)
class Kernel:
    """One cell of the library.

    Attributes:
        index: By which the library knows it.
        gates: Of a hidden unit.
        saved: Numbers a hidden unit that the backward pass needs of each step, beside outputs and cells.
    """

    index: int
    gates: int
    saved: int


LSTM = Kernel(0, gates=4, saved=4)
GRU = Kernel(1, gates=3, saved=4)
RNN_TANH = Kernel(2, gates=1, saved=0)
RNN_RELU = Kernel(3, gates=1, saved=0)


def read_sequence(
    kernel: Kernel,
    library: Library,
    dtype: torch.dtype,
    gates: Float[Tensor, "time batch gates"] | Float[Tensor, "symbols gates"],
    symbols: Int[Tensor, "time batch"] | None,
    recurrent_weight: Float[Tensor, "cell_gates hidden"],
    recurrent_bias: Float[Tensor, " padded"] | None,
    state: tuple[Float[Tensor, "batch padded"], ...],
) -> tuple[Float[Tensor, "time batch padded"], tuple[Float[Tensor, "batch padded"], ...]]:
    """Carry a state through a sequence.

    Args:
        kernel: The cell.
        library: Where it is compiled.
        dtype: Of the products, of what is kept for the backward pass, and of the outputs.
        gates: The inputs' side of every step, in the kernels' order; or, with symbols, that of every symbol.
        symbols: What is read, or None.
        recurrent_weight: In float32, as the cell keeps it.
        recurrent_bias: A GRU's, of the candidate; else None.
        state: In float32, filled up to whole registers.

    Returns:
        The output of every step, and the state after the last.

    Raises:
        IndexError: Where a symbol is not in the table.
    """
    if symbols is not None:
        symbols = checked_symbols(symbols, len(gates))
    learning = torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (gates, recurrent_weight, *state, recurrent_bias) if tensor is not None
    )
    results: tuple[Tensor, ...] = cast("Any", _Sequence).apply(
        kernel, library, dtype, learning, gates, symbols, recurrent_weight, recurrent_bias, *state
    )
    outputs, *after = results
    return outputs, tuple(after)


def checked_symbols(symbols: Int[Tensor, "time batch"], count: int) -> Int[Tensor, "time batch"]:
    """Make sure that symbols are rows of a table, and lie in memory as the kernels read them.

    Args:
        symbols: What is read.
        count: Rows of the table.

    Raises:
        IndexError: Where a symbol is not in the table.
    """
    least, most = torch.aminmax(symbols)
    if least < 0 or most >= count:
        raise IndexError(f"a symbol is not among the {count} that the cell reads")
    return symbols.contiguous()


def rows_gradient(
    library: Library,
    symbols: Int[Tensor, "time batch"],
    gradient: Float[Tensor, "time batch gates"],
    count: int,
) -> Float[Tensor, "symbols gates"]:
    """Add the gradients of what was looked up in a table to its rows.

    Args:
        library: The kernels.
        symbols: Which rows were looked up.
        gradient: Of each.
        count: Rows of the table.
    """
    gates = gradient.shape[-1]
    table = torch.zeros(count, gates)
    vectors, threads = gates // library.lanes, torch.get_num_threads()
    library.call("add_rows", gradient.dtype, symbols, gradient, symbols.numel(), vectors, threads, table)
    return table


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        kernel: Kernel,
        library: Library,
        dtype: torch.dtype,
        learning: bool,
        gates: Tensor,
        symbols: Tensor | None,
        recurrent_weight: Tensor,
        recurrent_bias: Tensor | None,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        steps = len(gates) if symbols is None else len(symbols)
        batch, width = state[0].shape
        hidden_size = recurrent_weight.shape[1]
        units, threads = width // library.lanes, torch.get_num_threads()
        source = gates.to(dtype).contiguous()
        weight = torch.empty(kernel.gates * width, width, dtype=dtype)
        plain_weight = recurrent_weight.contiguous()
        library.call("pack", dtype, kernel.index, plain_weight, hidden_size, hidden_size, threads, weight, None)
        hidden = torch.empty(steps + 1, batch, width, dtype=dtype)
        hidden[0] = state[0]
        last_hidden = torch.empty_like(state[0])
        if kernel is LSTM:
            carried = torch.empty(steps + 1, batch, width)
            carried[0] = state[1]
        else:
            carried = state[0].clone(memory_format=torch.contiguous_format)
        activations = (
            torch.empty(steps, batch, kernel.saved * width, dtype=dtype) if learning and kernel.saved else None
        )
        bias = None if recurrent_bias is None else recurrent_bias.contiguous()
        call = Forward(
            steps,
            batch,
            units,
            threads,
            *_addresses(source, symbols, weight, bias, hidden, carried, last_hidden, activations),
        )
        library.call("forward", dtype, kernel.index, call)
        if learning:
            ctx.kernel, ctx.library, ctx.table_size = kernel, library, None if symbols is None else len(gates)
            ctx.save_for_backward(symbols, recurrent_weight, hidden, carried, activations)
        if kernel is LSTM:
            return hidden[1:], last_hidden, carried[-1].clone()
        return hidden[1:], carried

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        output_gradient: Tensor = gradients[0].contiguous()
        kernel: Kernel = ctx.kernel
        library: Library = ctx.library
        symbols, recurrent_weight, hidden, carried, activations = ctx.saved_tensors
        dtype = hidden.dtype
        steps, batch, width = output_gradient.shape
        hidden_size = recurrent_weight.shape[1]
        units, threads = width // library.lanes, torch.get_num_threads()
        weight = torch.empty(width, kernel.gates * width, dtype=dtype)
        library.call(
            "pack", dtype, kernel.index, recurrent_weight.contiguous(), hidden_size, hidden_size, threads, None, weight
        )
        input_gradient = torch.empty(steps, batch, kernel.gates * width, dtype=dtype)
        # Only a GRU's reset gate tells the two sides apart.
        recurrent_gradient = torch.empty_like(input_gradient) if kernel is GRU else input_gradient
        state = [gradient.clone(memory_format=torch.contiguous_format) for gradient in gradients[1:]]
        cells, cell_gradient = (carried, state[1]) if kernel is LSTM else (None, None)
        call = Backward(
            steps,
            batch,
            units,
            threads,
            *_addresses(
                output_gradient,
                weight,
                hidden,
                cells,
                activations,
                input_gradient,
                recurrent_gradient,
                state[0],
                cell_gradient,
            ),
            int(ctx.needs_input_grad[8]),
        )
        library.call("backward", dtype, kernel.index, call)
        by_gate = matrix_product(recurrent_gradient.flatten(0, 1).t(), hidden[:-1].flatten(0, 1))
        weight_gradient = separated(by_gate, kernel.gates, hidden_size, library.lanes)[:, :hidden_size]
        bias_gradient = None
        if kernel is GRU:
            by_unit = recurrent_gradient.view(steps * batch, units, kernel.gates, library.lanes)
            bias_gradient = by_unit[:, :, 2].sum(0, dtype=torch.float32).flatten()
        if symbols is not None:
            input_gradient = rows_gradient(library, symbols, input_gradient, ctx.table_size)
        return (
            None,
            None,
            None,
            None,
            input_gradient,
            None,
            weight_gradient.to(recurrent_weight.dtype, memory_format=torch.contiguous_format),
            bias_gradient,
            *state,
        )


def _addresses(*tensors: Tensor | None) -> tuple[int | None, ...]:
    return tuple(None if tensor is None else tensor.data_ptr() for tensor in tensors)

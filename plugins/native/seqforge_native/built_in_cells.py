"""RNN, GRU and LSTM on the kernels that are built for them: the forward and backward passes over a whole sequence."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqforge.cells import require_steps
from seqforge.kinds import Cell, Equations, FactoredCell, ProjectedCell
from seqforge_native.layout import input_gates, interleaved, padded, separated
from seqforge_native.library import Backward, Forward, Library, addresses
from seqforge_native.matrices import weight_and_bias_gradients


@dataclass(frozen=True, slots=True)
class SequenceKernel:
    """The kernel of a cell whose step is the product U h and an elementwise part.

    Attributes:
        gates: Number of gates of a hidden unit.
        saved: Numbers per hidden unit and step that the forward pass stores for the backward pass.
        index: Index of the cell in the library.
        one_gradient: Whether both sides of the gates have the same gradient.
    """

    library: Library
    gates: int
    saved: int
    index: int
    one_gradient: bool = True


def built_in_kernel(library: Library, equations: Equations) -> SequenceKernel:
    """Return the kernel of kernels/library.cpp for a recurrence."""
    match equations:
        case "lstm":
            return SequenceKernel(library, gates=4, saved=4, index=0)
        case "gru":
            return SequenceKernel(library, gates=3, saved=4, index=1, one_gradient=False)
        case "rnn-tanh":
            return SequenceKernel(library, gates=1, saved=0, index=2)
        case "rnn-relu":
            return SequenceKernel(library, gates=1, saved=0, index=3)


def read_built_in(
    cell: Cell[Any], kernel: SequenceKernel, dtype: torch.dtype, inputs: Tensor, state: Any
) -> tuple[Tensor, Any]:
    """Return the outputs of all steps and the state after the last step, with products in a type.

    Raises:
        ValueError: If the sequence has no steps, or the state or the projected inputs have another shape, type or
            device than the kernel reads.
        IndexError: If a symbol is out of range.
    """
    require_steps(inputs)
    for part in cast("tuple[Tensor, ...]", state):
        check_state(part, (inputs.shape[1], cell.hidden_size))
    lanes, factored = kernel.library.lanes, cast("FactoredCell[Any]", cell)
    if type(cell).project is ProjectedCell.project:
        gates, symbols = input_gates(factored.input_weight, factored.bias, inputs, kernel.gates, lanes)
    else:
        projected = cell.project(inputs)
        check_layout("projected inputs", projected, (*inputs.shape[:2], kernel.gates * cell.hidden_size))
        gates, symbols = interleaved(projected, kernel.gates, lanes), None
    symbols = None if symbols is None else checked(symbols, len(gates))
    weight, bias = factored.recurrent_matrix().float(), getattr(cell, "recurrent_bias", None)
    check_layout("the matrix U", weight, (kernel.gates * cell.hidden_size, cell.hidden_size))
    read = [gates, weight, None if bias is None else padded(bias, lanes).contiguous()]
    read += [padded(part, lanes) for part in state]
    learning = torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in read)
    results = cast("Any", _Sequence).apply(kernel, dtype, learning, cell.hidden_size, symbols, *read)
    outputs, *after = cast("tuple[Tensor, ...]", results)
    return outputs[..., : cell.hidden_size], type(state)(*(part[:, : cell.hidden_size] for part in after))


def checked(symbols: Tensor, count: int) -> Tensor:
    """Return symbols of any integer type as the kernels read them: int64, contiguous.

    Raises:
        IndexError: If a symbol is out of range.
    """
    if symbols.numel():
        least, most = (int(bound) for bound in torch.aminmax(symbols))
        if least < 0 or most >= count:
            raise IndexError(f"a symbol is out of range: it must be from 0 to {count - 1}")
    return symbols.long().contiguous()


def check_state(part: Tensor, shape: tuple[int, ...]) -> None:
    """Raise a ValueError if a part of a state has another shape, type or device than the kernels read."""
    check_layout("a state", part, shape)
    if part.dtype != torch.float32:
        raise ValueError(f"a state in {str(part.dtype).removeprefix('torch.')}; it must be in float32")


def check_layout(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Raise a ValueError if a tensor, of which a kernel receives only the address, has another shape or device."""
    if tensor.shape != shape or tensor.device.type != "cpu":
        found = f"the shape {tuple(tensor.shape)} on {tensor.device.type}"
        raise ValueError(f"{name} of {found}; with this cell and these inputs, it must be {shape} on cpu")


class _Sequence(torch.autograd.Function):
    """Backpropagation through time; the gradient of U is one product over all steps."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel: SequenceKernel,
        dtype: torch.dtype,
        learning: bool,
        hidden_size: int,
        symbols: Tensor | None,
        gates: Tensor,
        recurrent_weight: Tensor,
        recurrent_bias: Tensor | None,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        library = kernel.library
        steps = len(gates) if symbols is None else len(symbols)
        batch, width = state[0].shape
        threads = torch.get_num_threads()
        source, weight = gates.to(dtype).contiguous(), torch.empty(kernel.gates * width, width, dtype=dtype)
        _pack(kernel, recurrent_weight, threads, weight)
        hidden = torch.empty(steps + 1, batch, width, dtype=dtype)
        hidden[0] = state[0]
        carried = state[0].clone(memory_format=torch.contiguous_format)
        others = torch.empty(len(state) - 1, steps + 1, batch, width)
        for part, given in zip(others, state[1:], strict=True):
            part[0] = given
        activations = (
            torch.empty(steps, batch, kernel.saved * width, dtype=dtype) if learning and kernel.saved else None
        )
        call = Forward(
            steps,
            batch,
            width // library.lanes,
            threads,
            **addresses(
                input_gates=source,
                symbols=symbols,
                weight=weight,
                recurrent_bias=recurrent_bias,
                hidden=hidden,
                carried=carried,
                others=others,
                activations=activations,
            ),
        )
        library.call("forward", dtype, kernel.index, call)
        if learning:
            ctx.kernel, ctx.hidden_size, ctx.has_bias = kernel, hidden_size, recurrent_bias is not None
            ctx.table_size = None if symbols is None else len(gates)
            ctx.save_for_backward(symbols, recurrent_weight, hidden, activations, others)
        return hidden[1:], carried, *(part[-1].clone() for part in others)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        kernel: SequenceKernel = ctx.kernel
        library = kernel.library
        symbols, recurrent_weight, hidden, activations, others = ctx.saved_tensors
        dtype, hidden_size = hidden.dtype, ctx.hidden_size
        output_gradient: Tensor = gradients[0].contiguous()
        steps, batch, width = output_gradient.shape
        threads = torch.get_num_threads()
        weight = torch.empty(width, kernel.gates * width, dtype=dtype)
        _pack(kernel, recurrent_weight, threads, weight, backward=True)
        input_gradient = torch.empty(steps, batch, kernel.gates * width, dtype=dtype)
        recurrent_gradient = input_gradient if kernel.one_gradient else torch.empty_like(input_gradient)
        hidden_gradient = gradients[1].clone(memory_format=torch.contiguous_format)
        other_gradients = torch.stack(gradients[2:]) if len(others) else others
        call = Backward(
            steps,
            batch,
            width // library.lanes,
            threads,
            **addresses(
                output_gradient=output_gradient,
                weight=weight,
                hidden=hidden,
                others=others,
                activations=activations,
                input_gradient=input_gradient,
                recurrent_gradient=recurrent_gradient,
                hidden_gradient=hidden_gradient,
                other_gradients=other_gradients,
                first_wanted=int(ctx.needs_input_grad[-len(gradients) + 1]),  # that of the hidden state
            ),
        )
        library.call("backward", dtype, kernel.index, call)
        by_gate, sums = weight_and_bias_gradients(recurrent_gradient.flatten(0, 1), hidden[:-1].flatten(0, 1))
        # The recurrent bias belongs to the last gate.
        bias_gradient = sums.view(-1, kernel.gates, library.lanes)[:, -1].flatten()
        separate = separated(by_gate, kernel.gates, hidden_size, library.lanes)[:, :hidden_size]
        weight_gradient = separate.to(recurrent_weight.dtype, memory_format=torch.contiguous_format)
        if symbols is not None:
            input_gradient = table_gradient(library, symbols, input_gradient, ctx.table_size)
        return (
            *(None,) * 5,
            input_gradient,
            weight_gradient,
            bias_gradient if ctx.has_bias else None,
            hidden_gradient,
            *other_gradients,
        )


def _pack(kernel: SequenceKernel, weight: Tensor, threads: int, packed: Tensor, *, backward: bool = False) -> None:
    """Pack U for a pass, in the type of `packed`."""
    hidden_size, source = weight.shape[1], weight.contiguous()
    addresses = (None, packed) if backward else (packed, None)
    kernel.library.call("pack", packed.dtype, kernel.index, source, hidden_size, hidden_size, threads, *addresses)


def table_gradient(library: Library, symbols: Tensor, gradient: Tensor, count: int) -> Tensor:
    """Return the gradient of the table of gates: for each symbol, the sum of the gradients of its steps."""
    gates = gradient.shape[-1]
    table = torch.empty(count, gates)
    vectors, threads = gates // library.lanes, torch.get_num_threads()
    library.call("sum_rows", gradient.dtype, symbols, gradient, symbols.numel(), vectors, threads, count, table)
    return table

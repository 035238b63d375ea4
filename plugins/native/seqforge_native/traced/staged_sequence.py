"""The forward and backward passes of a kernel whose steps consist of stages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqforge_native.layout import separated
from seqforge_native.library import Library, Stages, addresses
from seqforge_native.matrices import gradient_of_weight
from seqforge_native.sequence import filled_lanes, table_gradient
from seqforge_native.traced.division import Direction, Operand
from seqforge_native.traced.graph import Node, Product
from seqforge_native.traced.stages import StagedProgram


@dataclass(frozen=True, slots=True)
class StagedKernel:
    """A compiled cell whose step consists of stages.

    Attributes:
        library: Library that contains its functions.
        program: Program from which it was compiled.
    """

    library: Library
    program: StagedProgram

    @property
    def gates(self) -> int:
        """Number of gates of a hidden unit."""
        return self.program.trace.gates

    @property
    def passes(self) -> type[torch.autograd.Function]:
        """Its forward and backward passes over a sequence."""
        return _StagedSequence


class _StagedSequence(torch.autograd.Function):
    """Backpropagation through time; the gradient of each weight is a sum of products over all steps."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel: StagedKernel,
        dtype: torch.dtype,
        learning: bool,
        hidden_size: int,
        weight_count: int,
        gates: Tensor,
        symbols: Tensor | None,
        parameters: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        program, weights, state = kernel.program, tensors[:weight_count], tensors[weight_count:]
        steps = len(gates) if symbols is None else len(symbols)
        batch, width = state[0].shape
        states = torch.empty(len(state), steps + 1, batch, width)
        for part, given in zip(states, state, strict=True):
            part[0] = given
        activations = torch.empty(steps, batch, len(program.saved) * width, dtype=dtype) if learning else None
        totals = torch.empty(steps, batch, len(program.forward.reductions))
        operands = _room_for_operands(program.forward, states[0, 1:], dtype)
        outputs = torch.empty(steps, batch, width, dtype=dtype)
        parameters = parameters.contiguous()
        _call(
            kernel,
            "forward_stages",
            states,
            input_gates=gates.to(dtype).contiguous(),
            symbols=symbols,
            weights=_packed(kernel.library, program.forward.products, weights, width, dtype),
            parameters=parameters,
            activations=activations,
            totals=totals,
            operands=operands,
            outputs=outputs,
            filled=filled_lanes(hidden_size, width, kernel.library.lanes),
        )
        if learning:
            ctx.kernel, ctx.hidden_size, ctx.weight_count = kernel, hidden_size, weight_count
            ctx.table_size = None if symbols is None else len(gates)
            ctx.save_for_backward(symbols, parameters, states, activations, totals, operands, *weights)
        return outputs, *(part[-1].clone() for part in states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        kernel: StagedKernel = ctx.kernel
        symbols, parameters, states, activations, totals, forward_operands, *weights = ctx.saved_tensors
        program, library = kernel.program, kernel.library
        output_gradient: Tensor = gradients[0].contiguous()
        steps, batch, width = output_gradient.shape
        dtype = output_gradient.dtype
        input_gradient = torch.empty(steps, batch, kernel.gates * width, dtype=dtype)
        operands = _room_for_operands(program.backward, output_gradient, dtype)
        state_gradients = torch.stack(gradients[1:])
        parameter_gradients = torch.zeros(torch.get_num_threads(), *parameters.shape)
        _call(
            kernel,
            "backward_stages",
            states,
            weights=_packed(library, program.backward.products, weights, width, dtype),
            parameters=parameters,
            activations=activations,
            totals=totals,
            operands=operands,
            output_gradient=output_gradient,
            input_gradient=input_gradient,
            state_gradients=state_gradients,
            parameter_gradients=parameter_gradients,
            filled=filled_lanes(ctx.hidden_size, width, library.lanes),
            parameter_count=len(parameters),
        )
        known = {
            **_by_operand(program.forward.operands, forward_operands, width),
            **_by_operand(program.backward.operands, operands, width),
        }
        weight_gradients = _weight_gradients(kernel, weights, known, ctx.hidden_size)
        if symbols is not None:
            input_gradient = table_gradient(library, symbols, input_gradient, ctx.table_size)
        return (
            *(None,) * 5,
            input_gradient,
            None,
            parameter_gradients.sum(0),
            *weight_gradients,
            *state_gradients,
        )


def _call(kernel: StagedKernel, function: str, states: Tensor, **fields: Tensor | int | None) -> None:
    _, steps, batch, width = states.shape
    sizes = (steps - 1, batch, width // kernel.library.lanes, torch.get_num_threads())
    outputs = fields.get("outputs", fields.get("output_gradient"))
    dtype = cast("Tensor", outputs).dtype
    kernel.library.call(function, dtype, Stages(*sizes, **addresses(states=states, **fields)))


def _room_for_operands(direction: Direction, like: Tensor, dtype: torch.dtype) -> Tensor:
    """Return memory for the operands of a direction, one after another."""
    return torch.empty(sum(map(len, direction.operands)), *like.shape, dtype=dtype)


def _by_operand(operands: Sequence[Operand], memory: Tensor, width: int) -> dict[Operand, Tensor]:
    """Return each operand as a matrix with a row for each step and row of the batch."""
    parts = torch.split(memory, [len(operand) for operand in operands])
    return {operand: part.reshape(-1, len(operand) * width) for operand, part in zip(operands, parts, strict=True)}


def _packed(
    library: Library, products: Sequence[Product], weights: Sequence[Tensor], width: int, dtype: torch.dtype
) -> Tensor:
    """Pack the weights of some products, one after another."""
    packed = torch.empty(sum(product.count for product in products), width, width, dtype=dtype)
    room = torch.split(packed, [product.count for product in products])
    for product, into in zip(products, room, strict=True):
        source = _blocks(product, weights).contiguous()
        hidden_size = source.shape[1]
        both = (into, None) if product.transposed else (None, into)
        threads = torch.get_num_threads()
        library.call("pack", dtype, product.count, source, hidden_size, hidden_size, threads, *both)
    return packed


def _blocks(product: Product, weights: Sequence[Tensor]) -> Tensor:
    """Return the rows of a weight that a product multiplies by."""
    first, last = product.blocks
    for weight in weights:
        hidden_size = weight.shape[1]
        count = len(weight) // hidden_size
        if first < count:
            return weight[first * hidden_size : last * hidden_size]
        first, last = first - count, last - count
    raise IndexError(f"there is no block {first}")


def _weight_gradients(
    kernel: StagedKernel, weights: Sequence[Tensor], known: dict[Operand, Tensor], hidden_size: int
) -> list[Tensor]:
    """Return the gradients of the weights: for each block the sum of its terms, each one product over all steps."""
    lanes, computed = kernel.library.lanes, dict[tuple[Operand, Operand], Tensor]()
    owners = {node: operand for operand in reversed(known) for node in operand}

    def product(left: Node, right: Node) -> Tensor:
        pair = (owners[left], owners[right])
        if pair not in computed:
            whole = gradient_of_weight(known[pair[0]], known[pair[1]]).float()
            rows = separated(whole, len(pair[0]), hidden_size, lanes)
            computed[pair] = separated(rows.t(), len(pair[1]), hidden_size, lanes).t()
        block = computed[pair].view(len(pair[0]), hidden_size, len(pair[1]), hidden_size)
        return block[pair[0].index(left), :, pair[1].index(right)]

    blocks = iter(kernel.program.trace.weight_gradients)
    results: list[Tensor] = []
    for weight in weights:
        terms = [next(blocks) for _ in range(len(weight) // hidden_size)]
        zeros = weight.new_zeros(hidden_size, hidden_size)
        results.append(torch.cat([sum((product(*term) for term in own), zeros) for own in terms]))
    return results

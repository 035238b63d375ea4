"""Factored cells in plain torch: one input product for all steps, and one product for the gradient of U at the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

Tensors = tuple[Tensor, ...]

FACTORS = ("input_weight", "recurrent_weight", "bias")
"""Parameters of a factored cell that its elementwise part does not read."""


class ElementwisePart(nn.Module):
    """A cell's `pointwise` on plain tensors: products in their own type, the state in the state's type.

    Args:
        cell: Factored cell.
        dtype: Type of the products.
        state_type: Type of the cell's state, a NamedTuple.
    """

    def __init__(self, cell: nn.Module, dtype: torch.dtype, state_type: Callable[..., tuple[Any, ...]]) -> None:
        super().__init__()
        self.cell = cell
        self.dtype = dtype
        self.state_type = state_type

    def forward(self, input_gates: Tensor, recurrent_gates: Tensor, *state: Tensor) -> Tensors:
        """Return the output, the factor of the next step's product, and the tensors of the next state."""
        own = state[0].dtype
        pointwise = cast("Callable[..., tuple[Tensor, Tensors]]", self.cell.pointwise)
        output, after = pointwise(input_gates.to(own), recurrent_gates.to(own), self.state_type(*state))
        return output.to(self.dtype), after[0].to(self.dtype), *after

    def trainable_parameters(self) -> dict[str, nn.Parameter]:
        """Return the trainable parameters that the elementwise part reads, by their names in this module."""
        factors = {f"cell.{name}" for name in FACTORS}
        named = self.named_parameters()
        return {name: value for name, value in named if name not in factors and value.requires_grad}


@dataclass(frozen=True, slots=True)
class DifferentiableStep:
    """An elementwise part with its backward pass.

    Attributes:
        forward: Function from the arguments of a step, and whether a gradient is needed, to the results and the data
            for `backward`.
        backward: Function from these data and the gradients of the results to the gradients of the arguments, then of
            the parameters; None for a tensor of integers.
        parameters: Trainable tensors that the step reads in addition to its arguments.
    """

    forward: Callable[[Tensors, bool], tuple[Tensors, Any]]
    backward: Callable[[Any, Sequence[Tensor | None]], Sequence[Tensor | None]]
    parameters: Tensors


def differentiate_by_autograd(part: ElementwisePart) -> DifferentiableStep:
    """Return an elementwise part as plain torch, which autograd differentiates one step at a time."""
    parameters = tuple(part.trainable_parameters().values())

    def forward(arguments: Tensors, learning: bool) -> tuple[Tensors, Any]:
        if not learning:
            return part(*arguments), None
        # The arguments are leaves, so that the graph contains this step only.
        leaves = tuple(argument.detach().requires_grad_(argument.is_floating_point()) for argument in arguments)
        with torch.enable_grad():
            results = part(*leaves)
        return tuple(result.detach() for result in results), (leaves, results)

    def backward(saved: Any, gradients: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
        leaves, results = saved
        pairs = [pair for pair in zip(results, gradients, strict=True) if pair[0].requires_grad]
        found = iter(
            torch.autograd.grad(
                [result for result, _ in pairs],
                [leaf for leaf in (*leaves, *parameters) if leaf.requires_grad],
                [gradient for _, gradient in pairs],
                retain_graph=True,  # the caller may differentiate the sequence again
                allow_unused=True,
                materialize_grads=True,
            )
        )
        return [next(found) if leaf.requires_grad else None for leaf in (*leaves, *parameters)]

    return DifferentiableStep(forward, backward, parameters)


def read_sequence(
    step: DifferentiableStep,
    input_gates: Float[Tensor, "time batch gates"],
    weight: Float[Tensor, "gates hidden"],
    state: Tensors,
) -> tuple[Float[Tensor, "time batch hidden"], Tensors]:
    """Return the output of every step and the state after the last step.

    Every step multiplies the first tensor of the state by the weight U, in the type of the input gates W x + b. The
    elementwise part maps the input gates, the product and the state to the output, the factor of the next product, and
    the next state.
    """
    learning = torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (input_gates, weight, *state, *step.parameters)
    )
    # The types are fixed here; autocast must not change them inside the elementwise part.
    with torch.autocast(weight.device.type, enabled=False):
        results: Tensors = cast("Any", _Sequence).apply(
            step, learning, input_gates, weight, len(state), *state, *step.parameters
        )
    outputs, *after = results
    return outputs, tuple(after)


class _Sequence(torch.autograd.Function):
    """Backpropagation through time (Werbos 1990), with dU = Σ δ hᵀ as one product over all steps."""

    @staticmethod
    def forward(
        ctx: Any,
        step: DifferentiableStep,
        learning: bool,
        input_gates: Tensor,
        weight: Tensor,
        parts: int,
        *tensors: Tensor,
    ) -> Tensors:
        state = tuple(tensor.detach().contiguous() for tensor in tensors[:parts])
        dtype = input_gates.dtype
        transposed = weight.detach().to(dtype).t()
        factor = state[0].to(dtype)
        outputs: list[Tensor] = []
        ctx.step, ctx.weight, ctx.parts = step, weight, parts
        ctx.factors, ctx.saved = [], []
        for gates in input_gates.detach().contiguous().unbind(0):
            if learning:
                ctx.factors.append(factor)
            (output, factor, *after), saved = step.forward((gates, factor @ transposed, *state), learning)
            state = tuple(after)
            outputs.append(output)
            if learning:
                ctx.saved.append(saved)
        ctx.mark_non_differentiable(*(tensor for tensor in state if not tensor.is_floating_point()))
        return torch.stack(outputs), *state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        output_gradients: Tensor = gradients[0].contiguous()
        step: DifferentiableStep = ctx.step
        weight = ctx.weight.detach().to(output_gradients.dtype)
        input_sides: list[Tensor] = []
        recurrent_sides: list[Tensor] = []
        parameters = [torch.zeros_like(parameter) for parameter in step.parameters]
        state: list[Any] = [None if gradient is None else gradient.contiguous() for gradient in gradients[1:]]
        factor = torch.zeros_like(ctx.factors[0])
        for output, saved in zip(reversed(output_gradients.unbind(0)), reversed(ctx.saved), strict=True):
            found = cast("list[Any]", step.backward(saved, (output, factor, *state)))
            input_side, recurrent_side, *state = found[: 2 + ctx.parts]
            factor = recurrent_side @ weight
            input_sides.append(input_side)
            recurrent_sides.append(recurrent_side)
            for total, part in zip(parameters, found[2 + ctx.parts :], strict=True):
                total += part
        first, *others = state
        recurrent_gates = torch.stack(recurrent_sides[::-1])
        # If the gates are sums of both sides, both sides usually have one tensor as their gradient.
        same = all(map(Tensor.is_set_to, input_sides, recurrent_sides))
        input_gates = recurrent_gates if same else torch.stack(input_sides[::-1])
        weight_gradient = recurrent_gates.flatten(0, 1).t() @ torch.cat(ctx.factors)
        return (
            None,
            None,
            input_gates,
            weight_gradient.to(ctx.weight.dtype),
            None,
            first + factor,
            *others,
            *parameters,
        )


def product_dtype(weight: Tensor) -> torch.dtype:
    """Return the type of a weight's products: autocast's if it is on and the weight is not float64, else its own."""
    device = weight.device.type
    if weight.dtype != torch.float64 and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return weight.dtype


def embed_rows(
    table: Float[Tensor, "symbols features"], symbols: Int[Tensor, "*batch"], dtype: torch.dtype
) -> Float[Tensor, "*batch features"]:
    """Return the row of each symbol in a table, rounded to a type. Gradients are summed in the table's own type."""
    if dtype == table.dtype:
        return functional.embedding(symbols, table)
    return cast("Tensor", cast("Any", _Rows).apply(table, symbols, dtype))


class _Rows(torch.autograd.Function):
    # The table is rounded rather than the result, which is far larger.
    @staticmethod
    def forward(ctx: Any, table: Tensor, symbols: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(symbols)
        ctx.shape, ctx.dtype = table.shape, table.dtype
        return functional.embedding(symbols, table.to(dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        (symbols,) = ctx.saved_tensors
        rows: Tensor = gradients[0].to(ctx.dtype)
        table = rows.new_zeros(ctx.shape).index_add_(0, symbols.flatten(), rows.flatten(0, -2))
        return table, None, None

"""Factored cells in plain torch: one product W x for all steps, and one product for the gradient of U at the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

Tensors = tuple[Tensor, ...]


class ElementwisePart(nn.Module):
    """The `pointwise` of a cell as a function of plain tensors, with the type conversions around it.

    Args:
        cell: Factored cell.
        dtype: Type of the products W x + b and U h. The state keeps its own type.
        state_type: Type of the cell's state, a NamedTuple.
    """

    def __init__(self, cell: nn.Module, dtype: torch.dtype, state_type: Callable[..., tuple[Any, ...]]) -> None:
        super().__init__()
        self.cell = cell
        self.dtype = dtype
        self.state_type = state_type

    def forward(self, input_gates: Tensor, recurrent_gates: Tensor, *state: Tensor) -> Tensors:
        """Return the output, the hidden state in the type of the products, and the tensors of the next state."""
        state_dtype = state[0].dtype
        pointwise = cast("Callable[..., tuple[Tensor, Tensors]]", self.cell.pointwise)
        output, after = pointwise(input_gates.to(state_dtype), recurrent_gates.to(state_dtype), self.state_type(*state))
        return output.to(self.dtype), after[0].to(self.dtype), *after

    def trainable_parameters(self) -> dict[str, nn.Parameter]:
        """Return the trainable parameters that the elementwise part uses, by their names in this module."""
        factors = {f"cell.{name}" for name in cast("Sequence[str]", self.cell.product_parameters)}
        named = self.named_parameters()
        return {name: value for name, value in named if name not in factors and value.requires_grad}


@dataclass(frozen=True, slots=True)
class DifferentiableStep:
    """An elementwise part with its backward pass.

    Attributes:
        forward: Function that takes the arguments of a step, and whether a gradient is needed. It returns the results
            and the data that `backward` needs.
        backward: Function that takes these data and the gradients of the results. It returns the gradients of the
            arguments, followed by those of the parameters; None for a tensor of integers.
        parameters: Trainable tensors that the step uses in addition to its arguments.
    """

    forward: Callable[[Tensors, bool], tuple[Tensors, Any]]
    backward: Callable[[Any, Sequence[Tensor | None]], Sequence[Tensor | None]]
    parameters: Tensors


def differentiate_by_autograd(part: ElementwisePart) -> DifferentiableStep:
    """Return an elementwise part with a backward pass by autograd, one step at a time."""
    parameters = tuple(part.trainable_parameters().values())
    return DifferentiableStep(partial(_run_part, part), partial(_differentiate_part, parameters), parameters)


def _run_part(part: ElementwisePart, arguments: Tensors, needs_gradient: bool) -> tuple[Tensors, Any]:
    if not needs_gradient:
        return part(*arguments), None
    # The arguments are leaves, so that the graph contains this step only.
    leaves = tuple(argument.detach().requires_grad_(argument.is_floating_point()) for argument in arguments)
    with torch.enable_grad():
        results = part(*leaves)
    return tuple(result.detach() for result in results), (leaves, results)


def _differentiate_part(parameters: Tensors, saved: Any, gradients: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
    leaves, results = saved
    pairs = [pair for pair in zip(results, gradients, strict=True) if pair[0].requires_grad]
    computed = iter(
        torch.autograd.grad(
            [result for result, _ in pairs],
            [leaf for leaf in (*leaves, *parameters) if leaf.requires_grad],
            [gradient for _, gradient in pairs],
            retain_graph=True,  # the caller may differentiate the sequence again
            allow_unused=True,
            materialize_grads=True,
        )
    )
    return [next(computed) if leaf.requires_grad else None for leaf in (*leaves, *parameters)]


def read_sequence(
    step: DifferentiableStep,
    input_gates: Float[Tensor, "time batch gates"],
    weight: Float[Tensor, "gates hidden"],
    state: Tensors,
) -> tuple[Float[Tensor, "time batch hidden"], Tensors]:
    """Return the output of every step and the state after the last step.

    Every step multiplies the hidden state, the first tensor of the state, by the weight U, in the type of the input
    gates W x + b. From the input gates, this product and the state, `step` computes the output, the hidden state in the
    type of the products, and the next state.

    Raises:
        ValueError: If the sequence has no steps.
    """
    require_steps(input_gates)
    needs_gradient = torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (input_gates, weight, *state, *step.parameters)
    )
    # The types are fixed here; autocast must not change them inside the elementwise part.
    with torch.autocast(weight.device.type, enabled=False):
        results: Tensors = cast("Any", _Sequence).apply(
            step, needs_gradient, input_gates, weight, len(state), *state, *step.parameters
        )
    outputs, *after = results
    return outputs, tuple(after)


class _Sequence(torch.autograd.Function):
    """Backpropagation through time (Werbos 1990), with dU = Σ δ hᵀ as one product over all steps."""

    @staticmethod
    def forward(
        ctx: Any,
        step: DifferentiableStep,
        needs_gradient: bool,
        input_gates: Tensor,
        weight: Tensor,
        state_size: int,
        *tensors: Tensor,
    ) -> Tensors:
        state = tuple(tensor.detach().contiguous() for tensor in tensors[:state_size])
        dtype = input_gates.dtype
        transposed = weight.detach().to(dtype).t()
        hidden = state[0].to(dtype)
        outputs: list[Tensor] = []
        ctx.step, ctx.weight, ctx.state_size = step, weight, state_size
        ctx.hidden, ctx.saved = [], []
        for gates in input_gates.detach().contiguous().unbind(0):
            if needs_gradient:
                ctx.hidden.append(hidden)
            (output, hidden, *after), saved = step.forward((gates, hidden @ transposed, *state), needs_gradient)
            state = tuple(after)
            outputs.append(output)
            if needs_gradient:
                ctx.saved.append(saved)
        ctx.mark_non_differentiable(*(tensor for tensor in state if not tensor.is_floating_point()))
        return torch.stack(outputs), *state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        output_gradients: Tensor = gradients[0].contiguous()
        step: DifferentiableStep = ctx.step
        weight = ctx.weight.detach().to(output_gradients.dtype)
        input_parts: list[Tensor] = []
        recurrent_parts: list[Tensor] = []
        parameters = [torch.zeros_like(parameter) for parameter in step.parameters]
        state: list[Any] = [None if gradient is None else gradient.contiguous() for gradient in gradients[1:]]
        hidden = torch.zeros_like(ctx.hidden[0])
        for output, saved in zip(reversed(output_gradients.unbind(0)), reversed(ctx.saved), strict=True):
            computed = cast("list[Any]", step.backward(saved, (output, hidden, *state)))
            input_part, recurrent_part, *state = computed[: 2 + ctx.state_size]
            hidden = recurrent_part @ weight
            input_parts.append(input_part)
            recurrent_parts.append(recurrent_part)
            for total, part in zip(parameters, computed[2 + ctx.state_size :], strict=True):
                total += part
        first, *others = state
        recurrent_gates = torch.stack(recurrent_parts[::-1])
        # If the cell only uses the sum W x + b + U h, both summands usually have one tensor as their gradient.
        same = all(map(Tensor.is_set_to, input_parts, recurrent_parts))
        input_gates = recurrent_gates if same else torch.stack(input_parts[::-1])
        weight_gradient = recurrent_gates.flatten(0, 1).t() @ torch.cat(ctx.hidden)
        return (
            None,
            None,
            input_gates,
            weight_gradient.to(ctx.weight.dtype),
            None,
            first + hidden,
            *others,
            *parameters,
        )


def require_steps(sequence: Tensor) -> None:
    """Check that a sequence `[time, …]` has at least one step, which every backend requires.

    Raises:
        ValueError: If it has none.
    """
    if not len(sequence):
        raise ValueError("a sequence has no steps; a cell reads at least one")


def product_dtype(weight: Tensor) -> torch.dtype:
    """Return the type of the products of a weight: that of autocast, if it is enabled and the weight is not float64."""
    device = weight.device.type
    if weight.dtype != torch.float64 and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return weight.dtype


def embed_rows(
    table: Float[Tensor, "symbols features"], symbols: Int[Tensor, "*batch"], dtype: torch.dtype
) -> Float[Tensor, "*batch features"]:
    """Return the row of each symbol in a table, rounded to `dtype`. Gradients are summed in the type of the table."""
    if dtype == table.dtype:
        return functional.embedding(symbols, table)
    return cast("Tensor", cast("Any", _Rows).apply(table, symbols, dtype))


class _Rows(torch.autograd.Function):
    """Rows of a rounded table. The table is rounded rather than the selected rows, which are far larger."""

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


def new_norm(name: Literal["rms", "layer"], size: int) -> nn.RMSNorm | nn.LayerNorm:
    """Return a norm of vectors: root mean square (Zhang and Sennrich 2019), or layer norm."""
    return nn.RMSNorm(size, eps=1e-5) if name == "rms" else nn.LayerNorm(size)

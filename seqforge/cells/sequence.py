"""A whole sequence of products and pointwise parts, with the weight's gradient deferred to one product at its end."""

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqforge.cells.matrices import matrix_product
from seqforge.cells.pointwise import Pointwise, Tensors
from seqforge.cells.product import recurrent_product


def read_sequence(
    pointwise: Pointwise,
    input_gates: Float[Tensor, "time batch gates"],
    weight: Float[Tensor, "gates hidden"],
    state: Tensors,
) -> tuple[Float[Tensor, "time batch hidden"], Tensors]:
    """Carry a state through a sequence.

    On each step, the first tensor of the state, in the input gates' type, is multiplied by the weight in that type. The
    pointwise part takes the step's input gates, the product and the state; it gives the output, what the next step
    multiplies, and the next state.

    Args:
        pointwise: The pointwise part.
        input_gates: What it takes from the inputs.
        weight: Of the product.
        state: Before the first step.

    Returns:
        The output of every step, and the state after the last.
    """
    learning = torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (input_gates, weight, *state, *pointwise.parameters)
    )
    # The types are chosen already, for whatever the pointwise part calls too.
    with torch.autocast(weight.device.type, enabled=False):
        results: Tensors = cast("Any", _Sequence).apply(
            pointwise, learning, input_gates, weight, len(state), *state, *pointwise.parameters
        )
    outputs, *after = results
    return outputs, tuple(after)


class _Sequence(torch.autograd.Function):
    """Backpropagation through time (Werbos 1990), with dW = Σ δ hᵀ as one product over all steps."""

    @staticmethod
    def forward(
        ctx: Any,
        pointwise: Pointwise,
        learning: bool,
        input_gates: Tensor,
        weight: Tensor,
        parts: int,
        *tensors: Tensor,
    ) -> Tensors:
        state = tuple(tensor.detach().contiguous() for tensor in tensors[:parts])
        dtype = input_gates.dtype
        product = recurrent_product(weight, dtype, len(state[0]))
        multiplied = state[0].to(dtype)
        outputs: list[Tensor] = []
        ctx.pointwise, ctx.weight, ctx.parts = pointwise, weight, parts
        ctx.multiplied, ctx.kept = [], []
        for gates in input_gates.detach().contiguous().unbind(0):
            if learning:
                ctx.multiplied.append(multiplied)
            (output, multiplied, *after), kept = pointwise.forward((gates, product(multiplied), *state), learning)
            state = tuple(after)
            outputs.append(output)
            if learning:
                ctx.kept.append(kept)
        ctx.mark_non_differentiable(*(tensor for tensor in state if not tensor.is_floating_point()))
        return torch.stack(outputs), *state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        output_gradients: Tensor = gradients[0].contiguous()
        dtype = output_gradients.dtype
        pointwise: Pointwise = ctx.pointwise
        product = recurrent_product(ctx.weight.t(), dtype, output_gradients.shape[1])
        input_sides: list[Tensor] = []
        recurrent_sides: list[Tensor] = []
        learnt = [torch.zeros_like(parameter) for parameter in pointwise.parameters]
        state: list[Any] = [None if gradient is None else gradient.contiguous() for gradient in gradients[1:]]
        multiplied = torch.zeros_like(ctx.multiplied[0])
        for output, kept in zip(reversed(output_gradients.unbind(0)), reversed(ctx.kept), strict=True):
            found = cast("list[Any]", pointwise.backward(kept, (output, multiplied, *state)))
            input_side, recurrent_side, *state = found[: 2 + ctx.parts]
            multiplied = product(recurrent_side)
            input_sides.append(input_side)
            recurrent_sides.append(recurrent_side)
            for total, part in zip(learnt, found[2 + ctx.parts :], strict=True):
                total += part
        first, *others = state
        recurrent_gates = torch.stack(recurrent_sides[::-1])
        # Where the gates are sums of both sides, both have the same gradient, and often as one tensor.
        same = all(map(Tensor.is_set_to, input_sides, recurrent_sides))
        input_gates = recurrent_gates if same else torch.stack(input_sides[::-1])
        weight = matrix_product(recurrent_gates.flatten(0, 1).t(), torch.cat(ctx.multiplied))
        return None, None, input_gates, weight.to(ctx.weight.dtype), None, first + multiplied, *others, *learnt

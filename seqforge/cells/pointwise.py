"""The pointwise part of a recurrence, with its backward pass, one step at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

Tensors = tuple[Tensor, ...]

Function = Callable[..., Tensors]
"""Maps tensors to tensors; what else it reads are parameters, and it draws no random numbers."""


@dataclass(frozen=True, slots=True)
class Pointwise:
    """How a pointwise part is run.

    Attributes:
        forward: Takes the function's arguments, and whether a gradient will be asked for; gives its results, and what
            `backward` wants of this step.
        backward: Takes what `forward` kept, and the gradients of its results; gives the gradients of its arguments,
            and then of the parameters. None stands for no gradient, of a tensor of whole numbers.
        parameters: The learnt tensors that the function reads beside its arguments.
    """

    forward: Callable[[Tensors, bool], tuple[Tensors, Any]]
    backward: Callable[[Any, Tensors], Sequence[Tensor | None]]
    parameters: Tensors


def eager(function: Function, parameters: Sequence[Tensor]) -> Pointwise:
    """Run a pointwise part as it is written, and differentiate it step by step.

    Args:
        function: The pointwise part.
        parameters: What it reads beside its arguments.
    """
    learnt = tuple(parameter for parameter in parameters if parameter.requires_grad)

    def forward(arguments: Tensors, learning: bool) -> tuple[Tensors, Any]:
        if not learning:
            return function(*arguments), None
        # A graph of this step alone: its arguments are its leaves.
        leaves = tuple(argument.detach().requires_grad_(argument.is_floating_point()) for argument in arguments)
        with torch.enable_grad():
            results = function(*leaves)
        return tuple(result.detach() for result in results), (leaves, results)

    def backward(kept: Any, gradients: Tensors) -> Sequence[Tensor | None]:
        leaves, results = kept
        pairs = [pair for pair in zip(results, gradients, strict=True) if pair[0].requires_grad]
        found = iter(
            torch.autograd.grad(
                [result for result, _ in pairs],
                [leaf for leaf in (*leaves, *learnt) if leaf.requires_grad],
                [gradient for _, gradient in pairs],
                retain_graph=True,  # for whoever keeps the sequence's own graph; else both go together
                allow_unused=True,
                materialize_grads=True,
            )
        )
        return [next(found) if leaf.requires_grad else None for leaf in (*leaves, *learnt)]

    return Pointwise(forward, backward, learnt)


class CellPart(nn.Module):
    """A cell's `pointwise` on plain tensors: the products' type outside, the state's own inside.

    Args:
        cell: Has `pointwise`.
        dtype: Of the products.
        state_type: Makes a state of its tensors.
    """

    def __init__(self, cell: nn.Module, dtype: Any, state_type: Callable[..., tuple[Any, ...]]) -> None:
        super().__init__()
        self.cell = cell
        self.dtype = dtype
        self.state_type = state_type

    def forward(self, input_gates: Tensor, recurrent_gates: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Advance by one step.

        Args:
            input_gates: From the inputs.
            recurrent_gates: The product.
            tensors: The state.

        Returns:
            The output, what the next step multiplies, and the state after the step.
        """
        own = tensors[0].dtype
        pointwise = cast("Callable[..., tuple[Tensor, tuple[Tensor, ...]]]", self.cell.pointwise)
        output, state = pointwise(input_gates.to(own), recurrent_gates.to(own), self.state_type(*tensors))
        return output.to(self.dtype), state[0].to(self.dtype), *state

"""Long sequences with bounded memory: the backward pass computes the activations of each part of a sequence again."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seqforge.model.stack import States

Part = Callable[[States], tuple[Tensor, States]]
"""Function that computes a part of a sequence from the states before it: a scalar, and the states after it."""


def add_recomputed(parts: Iterable[Part], states: States, parameters: Sequence[nn.Parameter]) -> tuple[Tensor, States]:
    """Return the sum of the scalars of the parts of a sequence, and the states after the last one.

    Only the states between the parts are stored. The backward pass computes one part after the other again, with the
    same random numbers (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174).

    Args:
        parts: The parts, in order; at least one.
        states: States before the first part.
        parameters: Parameters on which the parts depend.
    """
    values: list[Tensor] = []
    for part in parts:
        value, states = _recompute(part, states, parameters)
        values.append(value)
    return torch.stack(values).sum(), states


def _recompute(part: Part, states: States, parameters: Sequence[nn.Parameter]) -> tuple[Tensor, States]:
    types, sizes = [type(state) for state in states], [len(state) for state in states]

    def compute(*tensors: Tensor) -> tuple[Tensor, ...]:
        value, after = part(joined(tensors))
        return value, *(tensor for state in after for tensor in state)

    def joined(tensors: Sequence[Tensor]) -> States:
        rest = iter(tensors)
        return tuple(kind(*(next(rest) for _ in range(size))) for kind, size in zip(types, sizes, strict=True))

    tensors = [tensor for state in states for tensor in state]
    results = cast("Any", _Recomputed).apply(compute, len(tensors), *tensors, *parameters)
    return results[0], joined(results[1:])


class _Recomputed(torch.autograd.Function):
    """A function of tensors and parameters, of which autograd stores the arguments only.

    `torch.utils.checkpoint` cannot free what a function of a backend keeps by other means than `save_for_backward`.
    """

    @staticmethod
    def forward(
        ctx: Any, compute: Callable[..., tuple[Tensor, ...]], count: int, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        device = tensors[-1].device
        ctx.compute, ctx.count, ctx.device = compute, count, device
        ctx.random = torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        ctx.save_for_backward(*tensors)
        # A state may be a view of the activations of all steps, which a copy does not keep.
        results = tuple(result.clone() for result in compute(*tensors[:count]))
        ctx.mark_non_differentiable(*(result for result in results if not result.is_floating_point()))
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        wanted: Sequence[bool] = ctx.needs_input_grad[2:]
        given: Sequence[Tensor] = ctx.saved_tensors
        arguments = [
            tensor.detach().requires_grad_(needed)
            for tensor, needed in zip(given[: ctx.count], wanted[: ctx.count], strict=True)
        ]
        on_cpu, on_gpu = ctx.random
        with torch.enable_grad(), torch.random.fork_rng(devices=[] if on_gpu is None else [ctx.device]):
            torch.set_rng_state(on_cpu)
            if on_gpu is not None:
                torch.cuda.set_rng_state(on_gpu, ctx.device)
            results: Sequence[Tensor] = ctx.compute(*arguments)
        leaves = [*arguments, *given[ctx.count :]]
        pairs = [pair for pair in zip(results, gradients, strict=True) if pair[0].requires_grad]
        needed = [leaf for leaf, is_wanted in zip(leaves, wanted, strict=True) if is_wanted]
        outputs, directions = ([pair[side] for pair in pairs] for side in (0, 1))
        computed = iter(torch.autograd.grad(outputs, needed, directions, allow_unused=True))
        return None, None, *(next(computed) if is_wanted else None for is_wanted in wanted)

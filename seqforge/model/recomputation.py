"""Long sequences with bounded memory: the backward pass computes the activations of each part of a sequence again."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seqforge.hardware import fork_random_state, read_random_state, restore_random_state
from seqforge.kinds import State

States = tuple[State, ...]
"""State of every layer, the lowest first."""

Part = Callable[[States], tuple[Tensor, States]]
"""Function that computes a part of a sequence from the states before it: a scalar, and the states after it."""

Reader = Callable[[Tensor, States], tuple[Tensor, States]]
"""Function that reads inputs `[time, …]` from the states before them: the outputs, and the states after them."""


def add_recomputed(parts: Iterable[Part], states: States, parameters: Sequence[nn.Parameter]) -> tuple[Tensor, States]:
    """Return the sum of the scalars of the parts of a sequence, in order, and the states after the last one.

    Only the states between the parts are stored. The backward pass computes one part after the other again, with the
    same random numbers (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174).
    There is at least one part, and the parts depend on the given parameters only.
    """
    values: list[Tensor] = []
    for part in parts:
        value, states = _recompute(part, states, parameters)
        values.append(value)
    return torch.stack(values).sum(), states


def read_recomputed(
    read: Reader, inputs: Tensor, states: States, every: int | None, parameters: Sequence[nn.Parameter]
) -> Tensor:
    """Return the outputs of a sequence, which is read in parts that the backward pass computes again.

    Only the inputs, the outputs and the states between the parts are stored; see `add_recomputed`. A part has `every`
    steps; None reads the whole sequence at once, and stores everything.
    """
    if every is None or every >= len(inputs):
        return read(inputs, states)[0]

    outputs: list[Tensor] = []
    for first in range(0, len(inputs), every):
        value, states = _recompute(read, states, parameters, inputs[first : first + every])
        outputs.append(value)
    return torch.cat(outputs)


def _recompute(
    part: Callable[..., tuple[Tensor, States]], states: States, parameters: Sequence[nn.Parameter], *inputs: Tensor
) -> tuple[Tensor, States]:
    types, sizes = [type(state) for state in states], [len(state) for state in states]
    count = sum(sizes)

    def compute(*tensors: Tensor) -> tuple[Tensor, ...]:
        value, after = part(*tensors[count:], joined(tensors[:count]))
        return value, *(tensor for state in after for tensor in state)

    def joined(tensors: Sequence[Tensor]) -> States:
        rest = iter(tensors)
        return tuple(kind(*(next(rest) for _ in range(size))) for kind, size in zip(types, sizes, strict=True))

    tensors = [*(tensor for state in states for tensor in state), *inputs]
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
        ctx.autocast = torch.is_autocast_enabled(device.type), torch.get_autocast_dtype(device.type)
        ctx.random = read_random_state(device)
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
        enabled, dtype = ctx.autocast
        autocast = torch.autocast(ctx.device.type, dtype, enabled)
        with torch.enable_grad(), autocast, fork_random_state(ctx.device):
            restore_random_state(ctx.random, ctx.device)
            results: Sequence[Tensor] = ctx.compute(*arguments)
        leaves = [*arguments, *given[ctx.count :]]
        pairs = [pair for pair in zip(results, gradients, strict=True) if pair[0].requires_grad]
        needed = [leaf for leaf, is_wanted in zip(leaves, wanted, strict=True) if is_wanted]
        outputs, directions = ([pair[side] for pair in pairs] for side in (0, 1))
        computed = iter(torch.autograd.grad(outputs, needed, directions, allow_unused=True))
        return None, None, *(next(computed) if is_wanted else None for is_wanted in wanted)

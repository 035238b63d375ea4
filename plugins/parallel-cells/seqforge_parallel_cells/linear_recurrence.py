"""The linear recurrence h_t = a_t ⊙ h_{t-1} + b_t and its gradient, computed by a loop or by a parallel scan."""

from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

Scan = Callable[[Tensor, Tensor, Tensor, bool], Tensor]
"""`sequential_scan` or `parallel_scan`: a function from (start, decays, addends, reverse) to all states."""


def linear_recurrence(
    scan: Scan,
    decays: Float[Tensor, "time batch hidden"],
    addends: Float[Tensor, "time batch hidden"],
    start: Float[Tensor, "batch hidden"],
) -> Float[Tensor, "time batch hidden"]:
    """Return h_t = a_t ⊙ h_{t-1} + b_t for every step, from the decays a, the addends b, and the start h_0.

    The scan computes the states and, in reverse, their gradients. The result is differentiable once.
    """
    return cast("Any", _LinearRecurrence).apply(scan, decays, addends, start)


class _LinearRecurrence(torch.autograd.Function):
    """The recurrence and its gradient, which is a recurrence in reverse (Martin & Cundy 2018, arXiv 1709.04057).

    If g_t is the gradient of the loss with respect to output t, the total gradient λ_t with respect to h_t, including
    its effect on later steps, is λ_t = a_{t+1} ⊙ λ_{t+1} + g_t.
    """

    @staticmethod
    def forward(ctx: Any, scan: Scan, decays: Tensor, addends: Tensor, start: Tensor) -> Tensor:
        states = scan(start, decays, addends, False)
        ctx.scan = scan
        ctx.save_for_backward(decays, states)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[None, Tensor, Tensor, Tensor]:
        decays, states = ctx.saved_tensors
        total = ctx.scan(gradient[-1], decays[1:], gradient[:-1], True)
        return None, total * states[:-1], total, decays[0] * total[0]


def scan_for(device: torch.device) -> Scan:
    """Return the faster scan for a device.

    On a GPU, the launch of a kernel for each step limits the loop, while a parallel scan keeps more units busy. On a
    CPU, the loop does the least work.
    """
    return parallel_scan if device.type == "cuda" else sequential_scan


def sequential_scan(
    start: Float[Tensor, "batch hidden"],
    decays: Float[Tensor, "time batch hidden"],
    addends: Float[Tensor, "time batch hidden"],
    reverse: bool = False,
) -> Float[Tensor, "time+1 batch hidden"]:
    """Return the start and the state after every step of h' = a ⊙ h + b, computed in a loop.

    In reverse, the loop goes from the last step to the first, and the start is the last state in the result.
    """
    states = addends.new_empty(len(addends) + 1, *start.shape)
    order = slice(None, None, -1 if reverse else 1)
    first, *following = states.unbind(0)[order]
    state = first.copy_(start)
    for decay, addend, result in zip(decays.unbind(0)[order], addends.unbind(0)[order], following, strict=True):
        state = torch.addcmul(addend, decay, state, out=result)
    return states


def parallel_scan(
    start: Float[Tensor, "batch hidden"],
    decays: Float[Tensor, "time batch hidden"],
    addends: Float[Tensor, "time batch hidden"],
    reverse: bool = False,
) -> Float[Tensor, "time+1 batch hidden"]:
    """Compute `sequential_scan` as a parallel prefix sum, in about 2·log₂(time) rounds.

    Blelloch 1990, "Prefix Sums and Their Applications".

    Feng et al. scan logarithms instead (Heinsen 2023, arXiv 2311.06281). The logarithm of a state is then the sum of
    two terms that grow with the sequence and cancel, so rounding errors grow too, and no decay, addend or start may be
    negative. Here, decays are multiplied directly. If a product underflows, the steps before it no longer contribute.
    """
    if reverse:
        return parallel_scan(start, decays.flip(0), addends.flip(0)).flip(0)
    states = addends.new_empty(len(addends) + 1, *start.shape)
    states[0] = start
    _fill(states, decays, addends)
    return states


def _fill(states: Tensor, decays: Tensor, addends: Tensor) -> None:
    """Compute all states after the first, in place: every second one by recursion, then the states between them."""
    if len(decays) == 0:
        return
    # a₂(a₁h + b₁) + b₂ = (a₂a₁)h + (a₂b₁ + b₂) combines two steps into one.
    # If the number of steps is odd, the last one remains.
    second = decays[1::2]
    decays_before, addends_before = decays[: 2 * len(second) : 2], addends[: 2 * len(second) : 2]
    _fill(states[::2], second * decays_before, torch.addcmul(addends[1::2], second, addends_before))
    torch.addcmul(addends[::2], decays[::2], states[:-1:2], out=states[1::2])

"""A linear recurrence in about 2·log₂(time) rounds, each of which is parallel."""

import torch
from jaxtyping import Float
from torch import Tensor


def parallel_scan(
    start: Float[Tensor, "batch hidden"],
    decays: Float[Tensor, "time batch hidden"],
    addends: Float[Tensor, "time batch hidden"],
    reverse: bool = False,
) -> Float[Tensor, "time+1 batch hidden"]:
    """Give every state of h' = a ⊙ h + b by an associative scan (Blelloch 1990, "Prefix Sums and Their Applications").

    Feng et al. scan logarithms instead (Heinsen 2023, arXiv 2311.06281). There a state's logarithm is the sum of two
    terms that grow with the sequence and cancel, so that rounding grows too; and no decay, addend or start may be
    negative. Here decays are multiplied as they are: a product that underflows is of steps that are forgotten.

    Args:
        start: The state before the first step.
        decays: a, for every step.
        addends: b, for every step.
        reverse: Whether the last step comes first; `start` is then at the end of the states.

    Returns:
        The start and the state after every step.
    """
    if reverse:
        return parallel_scan(start, decays.flip(0), addends.flip(0)).flip(0)
    states = addends.new_empty(len(addends) + 1, *start.shape)
    states[0] = start
    _fill(states, decays, addends)
    return states


def _fill(states: Tensor, decays: Tensor, addends: Tensor) -> None:
    """Write every state but the first, which is there. Half as many steps of twice the reach give every other state."""
    if len(decays) == 0:
        return
    # a₂(a₁h + b₁) + b₂ = (a₂a₁)h + (a₂b₁ + b₂): two steps are one. An odd step at the end has no partner.
    second = decays[1::2]
    decays_before, addends_before = decays[: 2 * len(second) : 2], addends[: 2 * len(second) : 2]
    _fill(states[::2], second * decays_before, torch.addcmul(addends[1::2], second, addends_before))
    torch.addcmul(addends[::2], decays[::2], states[:-1:2], out=states[1::2])

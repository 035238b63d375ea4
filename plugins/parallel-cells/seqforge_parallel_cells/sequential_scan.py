"""A linear recurrence, one step after the other."""

import torch
from jaxtyping import Float
from torch import Tensor


def sequential_scan(
    start: Float[Tensor, "batch hidden"],
    decays: Float[Tensor, "time batch hidden"],
    addends: Float[Tensor, "time batch hidden"],
    reverse: bool = False,
) -> Float[Tensor, "time+1 batch hidden"]:
    """Give every state of h' = a ⊙ h + b by a loop, which does the least work there can be.

    Args:
        start: The state before the first step.
        decays: a, for every step.
        addends: b, for every step.
        reverse: Whether the last step comes first; `start` is then at the end of the states.

    Returns:
        The start and the state after every step.
    """
    states = addends.new_empty(len(addends) + 1, *start.shape)
    order = slice(None, None, -1 if reverse else 1)
    first, *places = states.unbind(0)[order]
    state = first.copy_(start)
    for decay, addend, place in zip(decays.unbind(0)[order], addends.unbind(0)[order], places, strict=True):
        state = torch.addcmul(addend, decay, state, out=place)
    return states

"""The output of an encoder."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class EncoderOutput(NamedTuple):
    """Output of an encoder for a padded batch of examples.

    Attributes:
        outputs: Output of the highest layer on every step; after the end of a row, padding.
        last: Output of the highest layer when it has read a whole row: on the row's last step, or on its first step for
            the backward direction.
        lengths: Number of steps of each row.
    """

    outputs: Float[Tensor, "time batch features"]
    last: Float[Tensor, "batch features"]
    lengths: Int[Tensor, " batch"]

    def rows(self, indices: Int[Tensor, " rows"]) -> "EncoderOutput":
        """Return the rows with some indices, which may repeat."""
        return EncoderOutput(self.outputs[:, indices], self.last[indices], self.lengths[indices])


def last_outputs(outputs: Float[Tensor, "time batch features"], lengths: Int[Tensor, " batch"]) -> Tensor:
    """Return each row's output on its own last step, `[batch, features]`.

    It does not depend on the padding of a shorter row, in contrast to the state after the last step of the batch.
    """
    return outputs[lengths - 1, torch.arange(len(lengths), device=lengths.device)]


def reverse_rows(steps: Tensor, lengths: Int[Tensor, " batch"]) -> Tensor:
    """Reverse each row of `[time, batch, …]` within its own length. The padding stays at the end."""
    time = torch.arange(len(steps), device=lengths.device).unsqueeze(1)
    places = torch.where(time < lengths, lengths - 1 - time, time)
    return steps[places, torch.arange(len(lengths), device=lengths.device)]

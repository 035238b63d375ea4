"""The output of an encoder."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class EncoderOutput(NamedTuple):
    """Output of an encoder for a padded batch of examples.

    Attributes:
        outputs: Output of the highest layer on every step. Steps beyond the length of a row are padding.
        last: Output of the highest layer after reading a whole row: on the last step of the row for the forward
            direction, and on its first step for the backward direction.
        lengths: Number of steps of each row.
    """

    outputs: Float[Tensor, "time batch features"]
    last: Float[Tensor, "batch features"]
    lengths: Int[Tensor, " batch"]

    def rows(self, indices: Int[Tensor, " rows"]) -> "EncoderOutput":
        """Return the rows at the given indices, which may repeat."""
        return EncoderOutput(self.outputs[:, indices], self.last[indices], self.lengths[indices])


def last_outputs(outputs: Float[Tensor, "time batch features"], lengths: Int[Tensor, " batch"]) -> Tensor:
    """Return the output of each row on the last step of that row, `[batch, features]`.

    In contrast to the state after the last step of the batch, it does not depend on padding.
    """
    return outputs[lengths - 1, torch.arange(len(lengths), device=lengths.device)]


def reverse_rows(steps: Tensor, lengths: Int[Tensor, " batch"]) -> Tensor:
    """Reverse each row of `[time, batch, …]` within its own length. The padding stays at the end."""
    time = torch.arange(len(steps), device=lengths.device).unsqueeze(1)
    sources = torch.where(time < lengths, lengths - 1 - time, time)
    return steps[sources, torch.arange(len(lengths), device=lengths.device)]

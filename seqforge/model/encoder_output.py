"""What a reader hands on: its outputs on every step, and the last of each row."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class EncoderOutput(NamedTuple):
    """Examples that were read.

    Attributes:
        outputs: What the highest layer wrote on every step; beyond a row's length, padding.
        last: What it wrote when it had read all of a row: for the other direction, on the row's first step.
        lengths: Steps of each row.
    """

    outputs: Float[Tensor, "time batch features"]
    last: Float[Tensor, "batch features"]
    lengths: Int[Tensor, " batch"]

    def rows(self, indices: Int[Tensor, " rows"]) -> "EncoderOutput":
        """Take some rows, each as often as it is named.

        Args:
            indices: Which.
        """
        return EncoderOutput(self.outputs[:, indices], self.last[indices], self.lengths[indices])


def last_outputs(outputs: Float[Tensor, "time batch features"], lengths: Int[Tensor, " batch"]) -> Tensor:
    """Take each row's output on its own last step.

    A cell gives the state after the batch's last step alone, which for a shorter row has gone on over padding. What
    it wrote on the row's own last step was written before the padding, and so is exact for any cell.

    Args:
        outputs: Of every step.
        lengths: Steps of each row.

    Returns:
        `[batch, features]`.
    """
    return outputs[lengths - 1, torch.arange(len(lengths), device=lengths.device)]


def reverse_rows(steps: Tensor, lengths: Int[Tensor, " batch"]) -> Tensor:
    """Turn each row around within its own length, and leave its padding behind it.

    Args:
        steps: `[time, batch, …]`.
        lengths: Steps of each row.

    Returns:
        A tensor of the same shape; done twice, it is the same again.
    """
    time = torch.arange(len(steps), device=lengths.device).unsqueeze(1)
    places = torch.where(time < lengths, lengths - 1 - time, time)
    return steps[places, torch.arange(len(lengths), device=lengths.device)]

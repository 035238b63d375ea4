"""Dropout that draws few random bits."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_CHANCES = 1 << 16
"""Number of values of the 16 random bits that decide about one number. They round the probability to 1/65,536."""


class Dropout(nn.Module):
    """During training, sets each number to zero with a probability and scales the others (Srivastava et al. 2014).

    On a CPU, torch's own dropout draws 64 random bits for each number in one thread, which takes longer than the
    products of a small model. This module draws 64 bits for four numbers.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, inputs: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch features"]:
        """Return the inputs after dropout, with random bits from torch's default generator."""
        if not self.training or self.probability == 0:
            return inputs
        if inputs.device.type != "cpu":
            return functional.dropout(inputs, self.probability)
        words = torch.empty(-(-inputs.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)
        bits = words.view(torch.int16)[: inputs.numel()].view(inputs.shape)
        dropped = min(round(self.probability * _CHANCES), _CHANCES - 1)
        kept = bits >= dropped - _CHANCES // 2
        return inputs * kept.to(inputs.dtype).mul_(_CHANCES / (_CHANCES - dropped))

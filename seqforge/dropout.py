"""Dropout that draws few random bits, of each step or of whole sequences."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.nn import functional

_CHANCES = 1 << 16
"""Number of values of the 16 random bits that decide about one number. They round the probability to 1/65,536."""


class Dropout(nn.Module):
    """During training, sets each number to zero with a probability and scales the others (Srivastava et al. 2014).

    With `per_sequence`, a number is dropped on all steps of a sequence or on none (Gal and Ghahramani 2016, "A
    Theoretically Grounded Application of Dropout in Recurrent Neural Networks"). The caller then draws the mask of a
    batch, and passes it to each call that reads a part of the sequences.
    """

    def __init__(self, probability: float, *, per_sequence: bool = False) -> None:
        super().__init__()
        self.probability = probability
        self.per_sequence = per_sequence

    def draw_mask(self, shape: Sequence[int], like: Tensor) -> Tensor | None:
        """Return a mask of a shape, in the type and on the device of a tensor: 0, or 1 / (1 - p) for what is kept.

        It is None if each step has a mask of its own, outside of training, and if the probability is 0.
        """
        return _draw(self.probability, shape, like) if self.per_sequence and self._is_active() else None

    def forward(self, inputs: Shaped[Tensor, "*shape"], mask: Tensor | None = None) -> Tensor:
        """Return the inputs after dropout, by a mask, or with random bits from torch's default generator.

        Symbols, which have no dropout, are returned as they are.
        """
        if mask is not None:
            return inputs * mask.to(inputs.dtype)
        if self.per_sequence or not self._is_active():
            return inputs
        if inputs.device.type != "cpu":
            return functional.dropout(inputs, self.probability)
        return inputs * _draw(self.probability, inputs.shape, inputs)

    def _is_active(self) -> bool:
        return self.training and self.probability > 0


def _draw(probability: float, shape: Sequence[int], like: Tensor) -> Tensor:
    """Return a mask of independent factors.

    On a CPU, torch's own dropout draws 64 random bits for each number in one thread, which takes longer than the
    products of a small model. This function draws 64 bits for four numbers.
    """
    if like.device.type != "cpu":
        return functional.dropout(like.new_ones(shape), probability)
    count = math.prod(shape)
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(1 << 63), None)
    bits = words.view(torch.int16)[:count].view(*shape)
    dropped = min(round(probability * _CHANCES), _CHANCES - 1)
    kept = bits >= dropped - _CHANCES // 2
    return kept.to(like.dtype).mul_(_CHANCES / (_CHANCES - dropped))

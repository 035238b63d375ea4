"""Dropout whose chance costs little on a CPU."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_CHANCES = 1 << 16
"""Sixteen random bits decide on a number: the probability is kept to 1/65,536, and the scale is of what is kept."""


class Dropout(nn.Module):
    """Sets each number to zero with a probability while training, and scales up the others (Srivastava et al. 2014).

    On a CPU torch's own dropout draws one random number of 64 bits for each, alone, which takes longer than the
    products of a small model; here one serves four numbers.

    Args:
        probability: Of being dropped.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, inputs: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch features"]:
        """Drop some, by torch's random state.

        Args:
            inputs: What a layer writes.
        """
        if not self.training or self.probability == 0:
            return inputs
        if inputs.device.type != "cpu":
            return functional.dropout(inputs, self.probability)
        words = torch.empty(-(-inputs.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)
        bits = words.view(torch.int16)[: inputs.numel()].view(inputs.shape)
        dropped = min(round(self.probability * _CHANCES), _CHANCES - 1)
        kept = bits >= dropped - _CHANCES // 2
        return inputs * kept.to(inputs.dtype).mul_(_CHANCES / (_CHANCES - dropped))

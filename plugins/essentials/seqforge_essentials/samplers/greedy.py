"""Always the likeliest symbol."""

import torch
from jaxtyping import Float
from torch import Tensor

from seqforge.interfaces import LogitRule, Sampler


class Greedy(Sampler):
    """Leaves the likeliest symbol alone; of several, the first."""

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: None) -> Float[Tensor, "batch symbols"]:
        """Forbid all symbols but one.

        Args:
            logits: From the model, or from the sampler before.
            memory: None.
        """
        likeliest = logits.argmax(dim=-1, keepdim=True)
        return torch.full_like(logits, -torch.inf).scatter(-1, likeliest, 0.0)

    def logit_rule(self) -> LogitRule:
        """Say the same as a value."""
        return LogitRule("greedy")

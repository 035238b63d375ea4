"""The k likeliest symbols."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from seqforge.interfaces import LogitRule, Sampler


class TopK(Sampler):
    """Forbids all symbols but the k likeliest, and those as likely as the last of them.

    Fan et al. 2018, "Hierarchical Neural Story Generation".

    Args:
        k: How many to keep; all, where there are fewer.
    """

    def __init__(self, k: Annotated[int, Field(ge=1, description="How many symbols to keep.")] = 40) -> None:
        self._k = k

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: None) -> Float[Tensor, "batch symbols"]:
        """Forbid what is less likely than the k-th.

        Args:
            logits: From the model, or from the sampler before.
            memory: None.
        """
        kept = logits.topk(min(self._k, logits.shape[-1]), dim=-1).values
        return logits.masked_fill(logits < kept[:, -1:], -torch.inf)

    def logit_rule(self) -> LogitRule:
        """Say the same as a value."""
        return LogitRule("top-k", float(self._k))

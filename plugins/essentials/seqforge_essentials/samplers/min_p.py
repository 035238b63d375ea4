"""Symbols at least a share as likely as the likeliest."""

import math
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from seqforge.interfaces import LogitRule, Sampler


class MinP(Sampler):
    """Forbids symbols whose probability is below a share of the likeliest one's.

    Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs".

    Args:
        min_p: The share.
    """

    def __init__(
        self,
        min_p: Annotated[
            float, Field(gt=0, le=1, description="Least share of the likeliest symbol's probability.")
        ] = 0.1,
    ) -> None:
        self._min_p = min_p

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: None) -> Float[Tensor, "batch symbols"]:
        """Forbid what is too unlikely: p < min_p · max p, whose logarithm needs no softmax.

        Args:
            logits: From the model, or from the sampler before.
            memory: None.
        """
        threshold = logits.amax(dim=-1, keepdim=True) + math.log(self._min_p)
        return logits.masked_fill(logits < threshold, -torch.inf)

    def logit_rule(self) -> LogitRule:
        """Say the same as a value."""
        return LogitRule("min-p", self._min_p)

"""Samplers that record what a constraint on samples costs: rejected probability and likelihood."""

import math
from typing import Any, cast

import torch
from torch import Tensor

from seqforge.kinds import Sampler, SamplingContext


class Recorded(Sampler):
    """A constraint, with the probability that it rejects. Use a new object for each generation.

    Args:
        constraint: A sampler that forbids symbols, or None.
        temperature: Temperature of the samples, at which probabilities are measured.

    Attributes:
        rejected: Probability that the constraint rejects in each step of each sample, `[steps, batch]`.
        likelihoods: Logarithm of the probability of each drawn symbol without the constraint, `[steps, batch]`.
    """

    def __init__(self, constraint: Sampler | None, temperature: float) -> None:
        self.constraint, self.temperature = constraint, temperature
        self.rejected: list[Tensor] = []
        self.likelihoods: list[Tensor] = []
        self._last: Tensor | None = None

    def start(self, context: SamplingContext) -> Any:
        """Return the memory of the constraint after the prompt."""
        return self.constraint.start(context) if self.constraint else None

    def transform(self, logits: Tensor, memory: Any) -> Tensor:
        """Return the logits that the constraint returns, and record the rejected probability."""
        self._last = (logits / self.temperature).log_softmax(-1)
        if self.constraint is None:
            return logits
        result = self.constraint.transform(logits, memory)
        self.rejected.append(self._last.exp().masked_fill(result > -math.inf, 0.0).sum(-1))
        return result

    def advance(self, memory: Any, tokens: Tensor, logits: Tensor) -> Any:
        """Return the next memory of the constraint, and record the likelihood of the symbols."""
        last = cast("Tensor", self._last)
        self.likelihoods.append(last.gather(-1, tokens.unsqueeze(1)).squeeze(1))
        return self.constraint.advance(memory, tokens, logits) if self.constraint else None

    @property
    def rejected_share(self) -> float:
        """Mean probability that is rejected in a step."""
        return float(torch.stack(self.rejected).mean()) if self.rejected else 0.0

    @property
    def bits_per_character(self) -> float:
        """Mean of minus the binary logarithm of the probability of a symbol without the constraint."""
        return float(-torch.stack(self.likelihoods).mean() / math.log(2))

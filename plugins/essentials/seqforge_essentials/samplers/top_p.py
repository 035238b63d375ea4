"""The nucleus: the fewest symbols that together are likely enough."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from seqforge.interfaces import LogitRule, Sampler


class TopP(Sampler):
    """Forbids all symbols but the fewest whose probabilities reach p together; of equals, the first stay.

    Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration".

    Args:
        p: The probability to reach; 1 changes nothing.
    """

    def __init__(
        self, p: Annotated[float, Field(gt=0, le=1, description="Probability that the kept symbols reach.")] = 0.95
    ) -> None:
        self._p = p

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: None) -> Float[Tensor, "batch symbols"]:
        """Forbid the unlikely tail.

        Args:
            logits: From the model, or from the sampler before.
            memory: None.
        """
        ordered, order = logits.sort(dim=-1, descending=True, stable=True)
        probabilities = ordered.softmax(dim=-1)
        # Summed from the unlikely end, where the terms are small, so that rounding cuts nothing off where p is 1.
        tail = probabilities.flip(-1).cumsum(-1).flip(-1)
        forbidden = tail <= 1 - self._p
        forbidden[:, 0] = False
        return logits.masked_fill(forbidden.scatter(-1, order, forbidden), -torch.inf)

    def logit_rule(self) -> LogitRule:
        """Say the same as a value."""
        return LogitRule("top-p", self._p)

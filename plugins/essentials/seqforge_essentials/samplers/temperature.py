"""Sharper or flatter distributions."""

from typing import Annotated

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from seqforge.interfaces import LogitRule, Sampler


class Temperature(Sampler):
    """Divides logits by a temperature: below 1 the likely grows likelier, above 1 all grow more alike.

    Ackley et al. 1985, "A Learning Algorithm for Boltzmann Machines".

    Args:
        temperature: What to divide by. For the limit at 0 there is `greedy`.
    """

    def __init__(
        self,
        temperature: Annotated[
            float, Field(ge=0.001, description="What logits are divided by; 1 changes nothing.")
        ] = 0.8,
    ) -> None:
        self._temperature = temperature

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: None) -> Float[Tensor, "batch symbols"]:
        """Divide.

        Args:
            logits: From the model, or from the sampler before.
            memory: None.
        """
        return logits / self._temperature

    def logit_rule(self) -> LogitRule:
        """Say the same as a value."""
        return LogitRule("temperature", self._temperature)

"""Losses: what training makes small."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor, nn

IGNORED_TARGET = -100
"""A target that counts for nothing: padding (torch's own default `ignore_index`)."""


class Loss(nn.Module, ABC):
    """Compares what a model writes with what it should have written.

    Attributes:
        in_nats: Whether the value is a mean negative log-likelihood in nats, so that bits per character follow
            from it. Depends on options, so an instance may set it.
    """

    in_nats: bool = False

    @abstractmethod
    def forward(self, outputs: Float[Tensor, "*batch symbols"], targets: Int[Tensor, "*batch"]) -> Float[Tensor, ""]:
        """Average the loss over all targets that are not `IGNORED_TARGET`.

        Args:
            outputs: Logits.
            targets: The right symbols.

        Returns:
            The mean, a scalar.
        """

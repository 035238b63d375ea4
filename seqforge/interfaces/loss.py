"""Losses: what training makes small."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from jaxtyping import Float, Int
from torch import Tensor, nn

IGNORED_TARGET = -100
"""A target that counts for nothing: padding (torch's own default `ignore_index`). Of numbers, NaN is one."""


class Loss(nn.Module, ABC):
    """Compares what a model writes with what it should have written.

    Attributes:
        in_nats: Whether the value is a mean negative log-likelihood in nats, so that bits per character follow
            from it. Depends on options, so an instance may set it.
        compares: With what outputs are compared: "symbols", of which one is right, or "numbers".
        aligns: Whether targets are sequences of their own, of at most as many steps as the outputs, to which the loss
            finds the alignment. The outputs then have one symbol more, the last, which stands for none of the others.
    """

    compares: ClassVar[Literal["symbols", "numbers"]] = "symbols"
    aligns: ClassVar[bool] = False
    in_nats: bool = False

    @abstractmethod
    def forward(
        self,
        outputs: Float[Tensor, "*batch symbols"],
        targets: Int[Tensor, "*targets"] | Float[Tensor, "*batch symbols"],
    ) -> Float[Tensor, ""]:
        """Average the loss over all targets that are not `IGNORED_TARGET`.

        Args:
            outputs: Logits, or numbers.
            targets: The right symbols, `*batch` of them; of a loss that aligns, `[steps, batch]`. Or the right numbers.

        Returns:
            The mean, a scalar.
        """

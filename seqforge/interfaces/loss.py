"""Losses: what training minimizes."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from jaxtyping import Float, Int
from torch import Tensor, nn

IGNORED_TARGET = -100
"""Target that is ignored, such as padding (torch's default `ignore_index`). For numbers it is NaN."""


class Loss(nn.Module, ABC):
    """A comparison of the outputs of a model with targets.

    Attributes:
        in_nats: Whether the value is a mean negative log-likelihood in nats, from which bits per character follow. It
            may depend on options, so an instance may set it.
        compares: Kind of the targets: "symbols", one per step, or "numbers".
        aligns: Whether targets are sequences of at most as many steps as the outputs, which the loss aligns with the
            outputs. The last output is then the blank.
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
        """Return the mean over all targets that are not ignored.

        Args:
            outputs: Logits or numbers.
            targets: Target symbols `*batch`, or `[steps, batch]` if the loss aligns; or target numbers.
        """

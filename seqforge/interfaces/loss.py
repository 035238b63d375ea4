"""Losses, which training minimizes."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from jaxtyping import Float, Int
from torch import Tensor, nn

IGNORED_TARGET = -100
"""Target that is ignored, such as padding (torch's default `ignore_index`). For numbers it is NaN."""


class Loss(nn.Module, ABC):
    """A comparison of the outputs of a model with targets.

    Attributes:
        in_nats: Whether the value is a mean negative log-likelihood in nats, which seqforge converts to bits per
            character. An instance may set it, since it may depend on options.
        compares: Kind of the targets: "symbols", or "numbers".
        aligns: Whether the loss aligns target sequences with the outputs, as CTC does (Graves et al. 2006). A target
            has at most as many steps as the outputs, and the last output is the blank.
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

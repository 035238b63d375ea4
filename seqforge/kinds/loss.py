"""Losses, which training minimizes."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqforge.faults import wrong_result

__all__ = ["IGNORED_TARGET", "Loss"]

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

    def __call__(self, outputs: Tensor, targets: Tensor) -> Float[Tensor, ""]:
        """Return the result of `forward`.

        Raises:
            PluginError: If it is not a scalar that depends on the outputs.
        """
        value: Any = super().__call__(outputs, targets)
        if not isinstance(value, Tensor) or value.ndim or not value.is_floating_point():
            shown = f"a tensor {list(value.shape)} of {value.dtype}" if isinstance(value, Tensor) else f"{value!r:.60}"
            raise wrong_result(self.forward, f"returned {shown}, not a scalar tensor of floating-point type")
        if torch.is_grad_enabled() and outputs.requires_grad and not value.requires_grad:
            problem = "returned a constant, not a function of the outputs with a gradient"
            raise wrong_result(self.forward, problem)
        return value

    @abstractmethod
    def forward(
        self,
        outputs: Float[Tensor, "*batch symbols"],
        targets: Int[Tensor, "*targets"] | Float[Tensor, "*batch symbols"],
    ) -> Float[Tensor, ""]:
        """Return the mean over all targets that are not ignored; a finite number also if all are.

        If the loss aligns, an empty target counts as one. The arguments must stay as they are.

        Args:
            outputs: Logits or numbers.
            targets: Target symbols `*batch`, or `[steps, batch]` if the loss aligns; or target numbers.
        """

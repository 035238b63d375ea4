"""Cross-entropy: the negative log-likelihood of the right symbols."""

from typing import Annotated

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from seqforge.interfaces import IGNORED_TARGET, Loss


class CrossEntropy(Loss):
    """The mean of -log p(target), with label smoothing if asked for.

    Label smoothing is from Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision": the
    target keeps 1 - ε of its probability and ε is shared out evenly among all symbols.

    Args:
        label_smoothing: ε. Where it is not 0, the loss is no likelihood and says nothing of bits per character.
    """

    def __init__(
        self,
        label_smoothing: Annotated[
            float, Field(ge=0, lt=1, description="Share of probability spread evenly over all symbols.")
        ] = 0.0,
    ) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.in_nats = label_smoothing == 0.0

    def forward(self, outputs: Float[Tensor, "*batch symbols"], targets: Int[Tensor, "*batch"]) -> Float[Tensor, ""]:
        """Average over all targets that are not `IGNORED_TARGET`.

        Args:
            outputs: Logits.
            targets: The right symbols.

        Returns:
            The mean in nats, a scalar; 0 where every target is ignored.
        """
        counted = (targets != IGNORED_TARGET).sum().clamp(min=1)
        total = functional.cross_entropy(
            outputs.flatten(end_dim=-2),
            targets.flatten().long(),
            ignore_index=IGNORED_TARGET,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        return total / counted

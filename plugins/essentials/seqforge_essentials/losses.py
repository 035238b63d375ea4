"""Losses: cross-entropy, mean squared error and connectionist temporal classification."""

from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from seqforge.kinds import IGNORED_TARGET, Loss


class CrossEntropy(Loss):
    """The mean of -log p(target), with optional label smoothing.

    Label smoothing is from Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision": the target
    keeps 1 - ε of its probability, and ε is distributed uniformly over all symbols. If ε is not 0, the loss is not a
    likelihood, so bits per character cannot be computed from it.
    """

    def __init__(
        self,
        label_smoothing: Annotated[
            float, Field(ge=0, lt=1, description="Probability ε that is distributed uniformly over all symbols.")
        ] = 0.0,
    ) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.in_nats = label_smoothing == 0.0

    def forward(self, outputs: Float[Tensor, "*batch symbols"], targets: Int[Tensor, "*batch"]) -> Float[Tensor, ""]:
        """Return the mean in nats over all targets that are not `IGNORED_TARGET`, or 0 if there are none."""
        count = (targets != IGNORED_TARGET).sum().clamp(min=1)
        total = functional.cross_entropy(
            outputs.flatten(end_dim=-2),
            targets.flatten().long(),
            ignore_index=IGNORED_TARGET,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        return total / count


class MeanSquaredError(Loss):
    """The mean of (output - target)², for targets that are numbers."""

    compares: ClassVar[Literal["symbols", "numbers"]] = "numbers"

    def forward(
        self, outputs: Float[Tensor, "*batch size"], targets: Float[Tensor, "*batch size"]
    ) -> Float[Tensor, ""]:
        """Return the mean over all targets that are not NaN, or 0 if there are none. NaN marks padding."""
        ignored = targets.isnan()
        # Replace NaN before the subtraction: a gradient through NaN is NaN, even if its term is masked afterwards.
        squares = (outputs - targets.masked_fill(ignored, 0.0)).square().masked_fill(ignored, 0.0)
        return squares.sum() / (~ignored).sum().clamp(min=1)


class CTC(Loss):
    """Connectionist temporal classification: -log p(target), where p sums over all alignments with the steps.

    Graves et al. 2006, "Connectionist Temporal Classification: Labelling Unsegmented Sequence Data with Recurrent
    Neural Networks". The last output is the blank. A target without a possible alignment, for example one with more
    symbols than there are steps, contributes 0 to the sum over the targets, and its symbols count in the mean.
    """

    aligns: ClassVar[bool] = True

    def forward(
        self, outputs: Float[Tensor, "time batch symbols"], targets: Int[Tensor, "steps batch"]
    ) -> Float[Tensor, ""]:
        """Return the sum over the targets in nats, divided by their number of symbols. An empty target counts as one.

        `IGNORED_TARGET` after the symbols of a target is padding. The likelihood of an empty target is that of blanks
        at all steps. At steps that are padding, the logits must give the blank a probability of 1.
        """
        time, batch, symbols = outputs.shape
        lengths = (targets != IGNORED_TARGET).sum(0)
        total = functional.ctc_loss(
            outputs.float().log_softmax(-1),
            targets.t().clamp(min=0),
            torch.full((batch,), time, dtype=torch.int64, device=targets.device),
            lengths,
            blank=symbols - 1,
            reduction="sum",
            zero_infinity=True,
        )
        return total / lengths.clamp(min=1).sum()

"""Connectionist temporal classification: of a sequence whose alignment with the steps is not known."""

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seqforge.interfaces import IGNORED_TARGET, Loss


class CTC(Loss):
    """The negative log-likelihood of a sequence, summed over all its alignments with the steps.

    Graves et al. 2006, "Connectionist Temporal Classification: Labelling Unsegmented Sequence Data with Recurrent
    Neural Networks". The last symbol of the outputs is the blank. A sequence that no alignment can give, as one with
    more symbols than there are steps, adds nothing.
    """

    aligns: ClassVar[bool] = True
    in_nats = True

    def forward(
        self, outputs: Float[Tensor, "time batch symbols"], targets: Int[Tensor, "steps batch"]
    ) -> Float[Tensor, ""]:
        """Average over all targets that are not `IGNORED_TARGET`.

        Args:
            outputs: Logits. On a step of padding the blank is certain.
            targets: The right sequences, each with its padding behind it.

        Returns:
            The mean in nats a symbol, a scalar; 0 where every target is ignored.
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
        return total / lengths.sum().clamp(min=1)

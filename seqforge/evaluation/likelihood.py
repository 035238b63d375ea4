"""Scoring held-out text."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from seqforge.data import Batch
from seqforge.errors import NonFiniteError
from seqforge.interfaces import IGNORED_TARGET, Evaluated
from seqforge.model import SequenceModel


@dataclass(frozen=True, slots=True)
class LikelihoodScore:
    """How well a model predicts text, whatever loss it is trained with.

    Attributes:
        loss: Mean negative log-likelihood in nats a token.
        tokens: Tokens scored.
        characters_per_token: How many characters a token stands for.
    """

    loss: float
    tokens: int
    characters_per_token: float

    @property
    def bits_per_character(self) -> float:
        """The loss in bits a character."""
        return bits_per_character(self.loss, self.characters_per_token)

    @property
    def perplexity(self) -> float:
        """The exponential of the loss, a token."""
        return math.exp(self.loss) if self.loss < 700 else math.inf

    def event(self, step: int, *, best: bool) -> Evaluated:
        """Say it to those who watch.

        Args:
            step: Optimizer steps done.
            best: Whether the loss is the lowest of the run so far.
        """
        return Evaluated(step, self.loss, self.bits_per_character, self.perplexity, best)


def bits_per_character(nats_per_token: float, characters_per_token: float) -> float:
    """Change units.

    Args:
        nats_per_token: A mean negative log-likelihood.
        characters_per_token: How many characters a token stands for.
    """
    return nats_per_token / math.log(2) / characters_per_token


def score_likelihood(model: SequenceModel, batches: Iterable[Batch], characters_per_token: float) -> LikelihoodScore:
    """Score a split, carrying the state through it. The model is left in evaluation mode.

    Args:
        model: On any device.
        batches: As `evaluation_batches` gives them.
        characters_per_token: Of the split.

    Raises:
        NonFiniteError: Where the model gives no finite likelihood.
    """
    device = next(model.parameters()).device
    # MPS has no float64; sums are made on the CPU, one number a batch.
    total, count = 0.0, 0
    states = None
    model.eval()
    with torch.inference_mode():
        for batch in batches:
            if states is None or not batch.continues:
                states = model.initial_states(batch.inputs.shape[1])
            logits, states = model(batch.inputs.to(device), states)
            targets = batch.targets.to(device)
            nats = nn.functional.cross_entropy(
                logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED_TARGET, reduction="sum"
            )
            total += nats.item()
            count += int((batch.targets != IGNORED_TARGET).sum())
    if not math.isfinite(total):
        raise NonFiniteError(f"the loss on held-out text is {total}")
    return LikelihoodScore(total / count, count, characters_per_token)

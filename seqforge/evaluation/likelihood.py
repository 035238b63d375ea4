"""The likelihood of held-out text under a language model."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from seqforge.data import Batch
from seqforge.distribution import ALONE, World
from seqforge.errors import NonFiniteError
from seqforge.events import Report, WorkProgressed
from seqforge.interfaces import IGNORED_TARGET, Evaluated
from seqforge.model import SequenceModel, States


@dataclass(frozen=True, slots=True)
class LikelihoodScore:
    """The likelihood of text under a model. It does not depend on the training loss.

    Attributes:
        loss: Mean negative log-likelihood in nats per token.
        tokens: Number of tokens that were predicted.
        characters_per_token: Mean number of characters per token.
    """

    loss: float
    tokens: int
    characters_per_token: float

    @property
    def bits_per_character(self) -> float:
        """The loss in bits per character."""
        return bits_per_character(self.loss, self.characters_per_token)

    @property
    def perplexity(self) -> float:
        """The perplexity per token: the exponential of the loss."""
        return math.exp(self.loss) if self.loss < 700 else math.inf

    @property
    def size(self) -> str:
        """The number of tokens scored, with its unit."""
        return f"{self.tokens:,} tokens"

    def record(self) -> dict[str, object]:
        """Return the values as a record for JSON; infinite values are None."""
        perplexity = self.perplexity if math.isfinite(self.perplexity) else None
        bits = self.bits_per_character
        return {"loss": self.loss, "bits_per_character": bits, "perplexity": perplexity, "tokens": self.tokens}

    def lines(self) -> Iterator[str]:
        """Yield the values as lines of text."""
        yield f"  loss                {self.loss:.4f} nats per token"
        yield f"  bits per character  {self.bits_per_character:.4f}"
        yield f"  perplexity          {self.perplexity:.4f} per token"

    def event(self, step: int, *, best: bool) -> Evaluated:
        """Return the event for callbacks."""
        return Evaluated(step, self.loss, self.bits_per_character, self.perplexity, best)


def bits_per_character(nats_per_token: float, characters_per_token: float) -> float:
    """Convert a mean negative log-likelihood from nats per token to bits per character."""
    return nats_per_token / math.log(2) / characters_per_token


def score_batch(
    model: SequenceModel, batch: Batch, states: States | None, *, reduction: Literal["sum", "none"]
) -> tuple[Tensor, States]:
    """Return the negative log-likelihood of the targets of a batch, and the states after it.

    Args:
        model: A language model.
        batch: The batch, on any device.
        states: States after the previous batch; None before the first one.
        reduction: "sum" for one number, or "none" for `[time * batch]` losses, which are 0 for ignored targets.
    """
    device = next(model.parameters()).device
    after: States
    before = model.initial_states(batch.inputs.shape[1]) if states is None or not batch.continues else states
    logits, after = model(batch.inputs.to(device), before)
    targets = batch.targets.to(device).flatten()
    logits = logits.flatten(0, 1).float()
    return nn.functional.cross_entropy(logits, targets, ignore_index=IGNORED_TARGET, reduction=reduction), after


def score_likelihood(
    model: SequenceModel,
    batches: Iterable[Batch],
    characters_per_token: float,
    target_count: int = 0,
    report: Report | None = None,
    world: World = ALONE,
) -> LikelihoodScore:
    """Score text, with the state carried from batch to batch. The model is left in evaluation mode.

    Every process of `world` scores its own batches, and all return the same score. Progress reports need
    `target_count`, the number of targets in all batches.

    Raises:
        NonFiniteError: If the likelihood is not finite.
    """

    def score_own() -> tuple[float, int]:
        # The losses of batches are added in Python, in float64, which MPS devices do not have.
        total, count = 0.0, 0
        states = None
        with torch.inference_mode():
            for batch in batches:
                nats, states = score_batch(model, batch, states, reduction="sum")
                total += nats.item()
                count += int((batch.targets != IGNORED_TARGET).sum())
                if report is not None:
                    fraction = min(1.0, count * world.size / target_count) if target_count else None
                    report(WorkProgressed("evaluating", fraction))
        return total, count

    model.eval()
    scores = world.collect(score_own)
    total, count = sum(score[0] for score in scores), sum(score[1] for score in scores)
    if not math.isfinite(total):
        raise NonFiniteError(f"the loss on held-out text is {total}")
    return LikelihoodScore(total / count, count, characters_per_token)

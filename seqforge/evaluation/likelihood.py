"""The likelihood of held-out text under a language model."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from seqforge.data.batches import Batch
from seqforge.distribution.world import ALONE, World
from seqforge.errors import NonFiniteError
from seqforge.evaluation.intervals import Interval, bootstrap_mean, finite_intervals, format_interval
from seqforge.events import Report, WorkProgressed, no_report
from seqforge.figures import describe_count, format_per_byte
from seqforge.hardware import send
from seqforge.kinds import IGNORED_TARGET, Evaluated
from seqforge.model.recomputation import States
from seqforge.model.sequence_model import SequenceModel

BLOCK, FEWEST_BLOCKS, MOST_BLOCKS = 500, 50, 1000
"""Number of tokens in a block for an interval: 500, unless there were fewer than 50 or more than 1,000 blocks."""

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LikelihoodScore:
    """The likelihood of text under a model. It does not depend on the training loss.

    Attributes:
        loss: Mean negative log-likelihood in nats per token.
        tokens: Number of tokens that were predicted.
        characters_per_token: Mean number of characters per token.
        interval: Bootstrap interval of the loss; None if the text is too short.
        sources: Bits per character of each source of a mixture; empty for other corpora.
        characters_per_byte: Mean number of characters per byte of UTF-8.
    """

    loss: float
    tokens: int
    characters_per_token: float
    interval: Interval | None = None
    sources: Mapping[str, float] = field(default_factory=dict[str, float])
    characters_per_byte: float = 1.0

    @property
    def bits_per_character(self) -> float:
        """The loss in bits per character."""
        return bits_per_character(self.loss, self.characters_per_token)

    @property
    def bits_per_byte(self) -> float:
        """The loss in bits per byte of UTF-8."""
        return self.bits_per_character * self.characters_per_byte

    @property
    def perplexity(self) -> float:
        """The perplexity per token: the exponential of the loss."""
        return _perplexity(self.loss)

    @property
    def size(self) -> str:
        """The number of tokens scored, with its unit."""
        return describe_count(self.tokens, "token")

    @property
    def intervals(self) -> dict[str, Interval]:
        """The intervals of the loss, the bits per character and the perplexity; empty if there is none."""
        if self.interval is None:
            return {}
        low, high = self.interval
        ratio = self.characters_per_token
        return {
            "loss": self.interval,
            "bits_per_character": Interval(bits_per_character(low, ratio), bits_per_character(high, ratio)),
            "perplexity": Interval(_perplexity(low), _perplexity(high)),
        }

    def record(self) -> dict[str, object]:
        """Return the values as a record for JSON; infinite values are None."""
        perplexity = self.perplexity if math.isfinite(self.perplexity) else None
        bits = {"bits_per_character": self.bits_per_character, "bits_per_byte": self.bits_per_byte}
        values = {"loss": self.loss, **bits, "perplexity": perplexity, "tokens": self.tokens}
        return {**values, **self._by_source(), "intervals": finite_intervals(self.intervals)}

    def lines(self) -> Iterator[str]:
        """Yield the values, with their intervals, as lines of text."""
        shown = {name: f"  {format_interval(interval)}" for name, interval in self.intervals.items()}
        bits = f"{self.bits_per_character:.4f}{format_per_byte(self.bits_per_character, self.bits_per_byte)}"
        yield f"  loss                {self.loss:.4f} nats per token{shown.get('loss', '')}"
        yield f"  bits per character  {bits}{shown.get('bits_per_character', '')}"
        yield f"  perplexity          {self.perplexity:.4f} per token{shown.get('perplexity', '')}"
        for name, value in self.sources.items():
            yield f"  {name:<18}  {value:.4f} bits per character"

    def event(self, step: int, *, best: bool) -> Evaluated:
        """Return the event for callbacks."""
        intervals = finite_intervals(self.intervals)
        values = self.loss, self.bits_per_character, self.perplexity
        return Evaluated(step, *values, best, self._by_source(), intervals, bits_per_byte=self.bits_per_byte)

    def _by_source(self) -> dict[str, float]:
        return {f"{name}.bits_per_character": bits for name, bits in self.sources.items()}


def _perplexity(loss: float) -> float:
    return math.exp(loss) if loss < 700 else math.inf


def bits_per_character(nats_per_token: float, characters_per_token: float) -> float:
    """Convert a mean negative log-likelihood from nats per token to bits per character."""
    return nats_per_token / math.log(2) / characters_per_token


def score_blocks(
    model: SequenceModel,
    batches: Iterable[Batch],
    target_count: int = 0,
    report: Report = no_report,
    world: World = ALONE,
) -> tuple[Vector, Vector]:
    """Score text in blocks: each row of a batch is one. The state is carried, so that the mean is that of the text.

    The model is left in evaluation mode. Every process of `world` scores its own batches, and all return the same
    blocks. The batches of the text are in order, on the CPU. The number of all their targets is for the progress.

    Returns:
        Negative log-likelihood in nats, and number of targets, of each block, `[blocks]`. The blocks of one row follow
        each other in the order of the text.

    Raises:
        NonFiniteError: If the likelihood is not finite.
    """

    def score_own() -> list[tuple[list[float], list[int]]]:
        scores: list[tuple[list[float], list[int]]] = []
        done, states = 0, None
        with torch.inference_mode():
            for batch in batches:
                nats, states = score_batch(model, batch, states)
                counts = cast("list[int]", (batch.targets != IGNORED_TARGET).sum(0).tolist())
                # The losses of blocks are added in float64, which MPS devices do not have.
                scores.append((cast("list[float]", nats.tolist()), counts))
                done += sum(counts)
                fraction = min(1.0, done * world.size / target_count) if target_count else None
                report(WorkProgressed("evaluating", fraction))
        return scores

    model.eval()
    # The scores of a process are `[batches, 2, rows]`.
    scores = [np.array(own, dtype=np.float64) for own in world.collect(score_own) if own]
    losses, targets = np.concatenate([own.transpose(1, 2, 0).reshape(2, -1) for own in scores], axis=1)
    losses, targets = losses[targets > 0], targets[targets > 0]
    if not math.isfinite(losses.sum()):
        raise NonFiniteError(f"the loss on held-out text is {losses.sum()}")
    return losses, targets


def score_batch(model: SequenceModel, batch: Batch, states: States | None) -> tuple[Float[Tensor, " batch"], States]:
    """Return the negative log-likelihood of the targets of each row of a batch, and the states after it.

    The batch is on the CPU. Before the first one, there are no states.
    """
    device = next(model.parameters()).device
    after: States
    before = model.initial_states(batch.inputs.shape[1]) if states is None or not batch.continues else states
    logits, after = model(send(batch.inputs, device), before, batch.starts)
    targets = send(batch.targets, device)
    losses = nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED_TARGET, reduction="none"
    )
    return losses.reshape(targets.shape).sum(0), after


def summarize_blocks(nats: Vector, counts: Vector, characters_per_token: float) -> LikelihoodScore:
    """Return the score of a text from its blocks, as `score_blocks` returns them.

    The interval is that of blocks of `BLOCK` tokens.
    """
    total, count = nats.sum().item(), int(counts.sum())
    # Short blocks that follow each other are joined, since they are not independent.
    joined = max(1, min(max(round(BLOCK / counts.max()), len(counts) // MOST_BLOCKS), len(counts) // FEWEST_BLOCKS))
    starts = np.arange(0, len(counts), joined)
    interval = bootstrap_mean(np.add.reduceat(nats, starts), np.add.reduceat(counts, starts))
    return LikelihoodScore(total / count, count, characters_per_token, interval)

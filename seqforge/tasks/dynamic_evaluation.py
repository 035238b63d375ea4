"""Dynamic evaluation: a language model goes on learning from the text on which it is scored."""

import math
from collections.abc import Iterable

import numpy as np
import torch

from seqforge.data import Batch
from seqforge.errors import NonFiniteError, RunError
from seqforge.evaluation.likelihood import LikelihoodScore, score_batch, summarize_blocks
from seqforge.events import Report, WorkProgressed, no_report
from seqforge.experiment import Training
from seqforge.kinds import IGNORED_TARGET
from seqforge.model import SequenceModel, States
from seqforge.registry import format_value
from seqforge.training.step import clip_gradients, detach_states


def check_learning_rate(rate: object) -> None:
    """Raise an error if a learning rate of dynamic evaluation is not a finite number above 0.

    Raises:
        RunError: If it is not.
    """
    if isinstance(rate, bool) or not isinstance(rate, float | int) or not (math.isfinite(rate) and rate > 0):
        raise RunError(
            f"the learning rate of dynamic evaluation must be a finite number above 0, not {format_value(rate)}"
        )


def score_dynamically(
    model: SequenceModel,
    batches: Iterable[Batch],
    characters_per_token: float,
    target_count: int,
    learning_rate: float,
    training: Training,
    report: Report = no_report,
) -> LikelihoodScore:
    """Score text, and take a step of gradient descent on each batch after it was scored.

    Every symbol is predicted by weights that have not yet seen it (Mikolov et al. 2010, Krause et al. 2018). The model
    is in evaluation mode, so there is no dropout. Its weights are changed in place.

    Args:
        model: A language model.
        batches: Batches of the text in order, on any device.
        characters_per_token: Mean number of characters of a token.
        target_count: Number of targets in all batches, for the progress.
        learning_rate: Learning rate of gradient descent on the mean loss of a batch in nats per token.
        training: Settings of the run, which limit the gradient.
        report: Function that receives the progress.

    Raises:
        NonFiniteError: If a loss is not finite.
    """
    model.eval()
    parameters = list(model.parameters())
    descent = torch.optim.SGD(parameters, learning_rate)
    losses: list[float] = []
    sizes: list[int] = []
    states: States | None = None
    done = 0
    for batch in batches:
        nats, after = score_batch(model, batch, states)
        states = detach_states(after)
        size = int((batch.targets != IGNORED_TARGET).sum())
        loss = nats.sum() / size
        value = loss.item()
        if not math.isfinite(value):
            raise NonFiniteError(
                f"the loss is {value} after {done:,} tokens of dynamic evaluation", hint="Use a lower learning rate."
            )
        losses.append(value * size)
        sizes.append(size)
        done += size
        descent.zero_grad()
        loss.backward()
        clip_gradients(parameters, training.gradient_clip_norm, training.gradient_clip_value)
        descent.step()
        model.constrain_parameters()
        report(WorkProgressed("evaluating", done / target_count))
    return summarize_blocks(np.array(losses), np.array(sizes, dtype=np.float64), characters_per_token)

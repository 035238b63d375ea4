"""Dynamic evaluation: a language model goes on learning from the text on which it is scored."""

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from seqforge.data.batches import Batch, evaluation_batches
from seqforge.data.splits import SplitName
from seqforge.errors import NonFiniteError, RunError
from seqforge.evaluation.likelihood import LikelihoodScore, score_batch, summarize_blocks
from seqforge.events import Report, WorkProgressed, no_report
from seqforge.experiment.settings import Training
from seqforge.kinds import IGNORED_TARGET
from seqforge.model.recomputation import States
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import map_states
from seqforge.registry.problems import format_value
from seqforge.runs.loaded_run import LoadedRun
from seqforge.tasks.language_model import require_tokens
from seqforge.training.step import clip_gradients

PULL = 0.001
"""Fraction of the distance to its trained value that a weight moves back after each step, if its scale is 1."""

SMALLEST, POWER = 0.02, 0.75
"""Addend of the relative gradient of a weight, and power of the sum, which divides a step: chosen on held-out C."""

ROWS, BATCHES = 8, 300
"""Number of rows of a batch, and number of batches, in which the gradients are measured."""


def evaluate_dynamically(run: LoadedRun, split: SplitName, learning_rate: float) -> LikelihoodScore:
    """Score a whole split, and learn from each sequence after it was scored, with a copy of the weights.

    Raises:
        DataError: If there is no such split, if it is empty, or if the corpus is missing.
        RunError: If the run was trained on labelled examples or on another corpus, or the learning rate is not a finite
            number above 0.
    """
    if run.experiment.labelled:
        raise RunError(f"{run.path}: dynamic evaluation needs a language model, not labelled examples")
    check_learning_rate(learning_rate)
    dataset, training = require_tokens(run, split), run.experiment.training
    spans, length = dataset.splits[split], training.sequence_length
    resets = run.experiment.data.reset_state == "document"
    cut = partial(evaluation_batches, dataset.token_file, sequence_length=length, with_starts=resets)
    model = copy.deepcopy(run.model)
    sample = cut(dataset.splits["training"], ROWS, limit=ROWS * BATCHES * length)
    scales = measure_scales(model, sample, run.report)
    ratio, batches = dataset.characters_per_token(split), cut(spans, 1)
    score = score_dynamically(model, batches, scales, ratio, spans.length - 1, learning_rate, training, run.report)
    return replace(score, characters_per_byte=dataset.characters_per_byte(split))


def measure_scales(model: SequenceModel, batches: Iterable[Batch], report: Report = no_report) -> list[Tensor]:
    """Return the scale of the steps of each weight, from the root mean square of its gradient in training text.

    A weight whose gradient is small learns faster: its steps are divided by the gradient, relative to the mean of all
    weights, to the power of `POWER`. Krause et al. (2018) divide by the gradient itself.
    """
    parameters = list(model.parameters())
    squares = [torch.zeros_like(parameter) for parameter in parameters]
    count = 0
    for _ in _learn(model, batches):
        count += 1
        report(WorkProgressed("measuring gradients", min(count / BATCHES, 1.0)))
        for square, parameter in zip(squares, parameters, strict=True):
            if parameter.grad is not None:
                square += parameter.grad.square()
    roots = [(square / count).sqrt() for square in squares]
    mean = torch.cat([root.flatten() for root in roots]).mean().clamp(min=torch.finfo(torch.float32).tiny)
    return [(root / mean + SMALLEST) ** -POWER for root in roots]


def score_dynamically(
    model: SequenceModel,
    batches: Iterable[Batch],
    scales: Sequence[Tensor],
    characters_per_token: float,
    target_count: int,
    learning_rate: float,
    training: Training,
    report: Report = no_report,
) -> LikelihoodScore:
    """Score text, and after each batch take a step of gradient descent and a small step back to the trained weights.

    Every symbol is predicted by weights that have not yet seen it (Mikolov et al. 2010). A step subtracts the gradient
    of the mean loss of a batch in nats per token, times the learning rate and the scale of the weight. Then a weight
    goes back a part of its way to the trained value, `PULL` divided by its scale, so that it forgets what it learned
    long ago (Krause et al. 2018).

    The model is in evaluation mode, so there is no dropout. Its weights are changed in place. Gradients are clipped as
    `training` sets. The batches are in the order of the text, on the CPU. `target_count`, the number of all their
    targets, is used only to report the progress.

    Raises:
        NonFiniteError: If a loss is not finite.
    """
    parameters = list(model.parameters())
    trained = [parameter.detach().clone() for parameter in parameters]
    pulls = [(PULL / scale).clamp(max=1.0) for scale in scales]
    limits = training.gradient_clip_norm, training.gradient_clip_value
    losses: list[float] = []
    sizes: list[int] = []
    done = 0
    for loss, size in _learn(model, batches):
        value, _ = clip_gradients(parameters, loss, *limits)
        if not math.isfinite(value):
            raise NonFiniteError(
                f"the loss is {value} after {done:,} tokens of dynamic evaluation", hint="Use a lower learning rate."
            )
        losses.append(value * size)
        sizes.append(size)
        done += size
        with torch.no_grad():
            for parameter, origin, scale, pull in zip(parameters, trained, scales, pulls, strict=True):
                if parameter.grad is not None:
                    parameter.addcmul_(parameter.grad, scale, value=-learning_rate).lerp_(origin, pull)
        model.constrain_parameters()
        report(WorkProgressed("evaluating", done / target_count))
    return summarize_blocks(np.array(losses), np.array(sizes, dtype=np.float64), characters_per_token)


def _learn(model: SequenceModel, batches: Iterable[Batch]) -> Iterator[tuple[Tensor, int]]:
    """Yield the mean loss of each batch and the number of its targets, with the gradients in the parameters."""
    model.eval()
    states: States | None = None
    for batch in batches:
        nats, after = score_batch(model, batch, states)
        states = map_states(Tensor.detach, after)
        size = int((batch.targets != IGNORED_TARGET).sum())
        loss = nats.sum() / size
        model.zero_grad()
        loss.backward()
        yield loss.detach(), size


def check_learning_rate(rate: object) -> None:
    """Raise a `RunError` if a learning rate of dynamic evaluation is not a finite number above 0."""
    if isinstance(rate, bool) or not isinstance(rate, float | int) or not (math.isfinite(rate) and rate > 0):
        raise RunError(
            f"the learning rate of dynamic evaluation must be a finite number above 0, not {format_value(rate)}"
        )

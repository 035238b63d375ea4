"""Dynamic evaluation: a language model goes on learning from the text on which it is scored."""

import copy
import math
from collections.abc import Iterable
from dataclasses import replace

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

PULL = 0.002
"""Part of the way to the trained weights that each step goes back, at a learning rate of 1."""


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
    spans = dataset.splits[split]
    resets = run.experiment.data.reset_state == "document"
    batches = evaluation_batches(dataset.token_file, spans, 1, training.sequence_length, with_starts=resets)
    ratio = dataset.characters_per_token(split)
    model = copy.deepcopy(run.model)
    score = score_dynamically(model, batches, ratio, spans.length - 1, learning_rate, training, run.report)
    return replace(score, characters_per_byte=dataset.characters_per_byte(split))


def score_dynamically(
    model: SequenceModel,
    batches: Iterable[Batch],
    characters_per_token: float,
    target_count: int,
    learning_rate: float,
    training: Training,
    report: Report = no_report,
) -> LikelihoodScore:
    """Score text, and after each batch take a step of gradient descent and a small step back to the trained weights.

    Every symbol is predicted by weights that have not yet seen it (Mikolov et al. 2010). A step subtracts the gradient
    of the mean loss of a batch in nats per token, times the learning rate. Then the weights go back a part of their way
    to the trained ones, `PULL` times the learning rate, so that they forget what they learned long ago (Krause et al.
    2018).

    The model is in evaluation mode, so there is no dropout. Its weights are changed in place. The settings of the run
    limit the gradient. The batches of the text are in order, on the CPU; the number of all their targets is for the
    progress.

    Raises:
        NonFiniteError: If a loss is not finite.
    """
    model.eval()
    parameters = list(model.parameters())
    trained = [parameter.detach().clone() for parameter in parameters]
    descent = torch.optim.SGD(parameters, learning_rate)
    losses: list[float] = []
    sizes: list[int] = []
    states: States | None = None
    done = 0
    for batch in batches:
        nats, after = score_batch(model, batch, states)
        states = map_states(Tensor.detach, after)
        size = int((batch.targets != IGNORED_TARGET).sum())
        loss = nats.sum() / size
        descent.zero_grad()
        loss.backward()
        limits = training.gradient_clip_norm, training.gradient_clip_value
        value, _ = clip_gradients(parameters, loss.detach(), *limits)
        if not math.isfinite(value):
            raise NonFiniteError(
                f"the loss is {value} after {done:,} tokens of dynamic evaluation", hint="Use a lower learning rate."
            )
        losses.append(value * size)
        sizes.append(size)
        done += size
        descent.step()
        with torch.no_grad():
            for parameter, origin in zip(parameters, trained, strict=True):
                parameter.lerp_(origin, PULL * learning_rate)
        model.constrain_parameters()
        report(WorkProgressed("evaluating", done / target_count))
    return summarize_blocks(np.array(losses), np.array(sizes, dtype=np.float64), characters_per_token)


def check_learning_rate(rate: object) -> None:
    """Raise a `RunError` if a learning rate of dynamic evaluation is not a finite number above 0."""
    if isinstance(rate, bool) or not isinstance(rate, float | int) or not (math.isfinite(rate) and rate > 0):
        raise RunError(
            f"the learning rate of dynamic evaluation must be a finite number above 0, not {format_value(rate)}"
        )

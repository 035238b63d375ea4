"""The task of a language model: predict the next symbol of a stream of text."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from seqforge.data.batches import Batch, TrainingBatches, evaluation_batches
from seqforge.data.dataset import Dataset, prepare
from seqforge.data.splits import SplitName, check_split, mix
from seqforge.data.token_file import VOCABULARY
from seqforge.distribution.world import ALONE, World
from seqforge.errors import ExperimentError, located
from seqforge.evaluation.baseline import score_baseline
from seqforge.evaluation.intervals import BlockLosses
from seqforge.evaluation.likelihood import (
    BLOCK,
    FEWEST_BLOCKS,
    LikelihoodScore,
    Vector,
    bits_per_character,
    score_blocks,
    summarize_blocks,
)
from seqforge.evaluation.metrics import TextScores, build_metrics, score_texts, summarize
from seqforge.events import Report, Units, WorkProgressed, no_report
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.settings import SPLIT_KEYS
from seqforge.generation.generator import encode_prompt, sample_texts
from seqforge.hardware import send
from seqforge.kinds import Loss, Metric, Progress, Sampler
from seqforge.model.measure_backends import BatchShape
from seqforge.model.recomputation import States, add_recomputed
from seqforge.model.sequence_model import SequenceModel
from seqforge.registry.component import Component
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.training_state import TrainingState, new_training_state
from seqforge.tasks.task import (
    BatchLoss,
    StepBatches,
    Task,
    TaskSample,
    TrainingTask,
    empty_split,
    require_validation,
)

SAMPLE_SEED_STRIDE = 1_000_003
"""Distance between the seeds of samples at successive steps."""

SHORTEST_BLOCK, BLOCK_ROWS = 50, 32
"""Smallest number of tokens in a block of held-out text, and number of blocks that are scored at once."""


def prepare_training(
    experiment: Experiment, device: torch.device, report: Report, world: World
) -> "LanguageModelTraining":
    """Prepare the corpus, the loss, the samplers and the metrics, and check them. `Task` has the errors."""
    training = experiment.training
    _check_division(training.batch_size, world)
    dataset = world.in_turn("corpus", lambda: prepare(experiment, report))
    has_validation = dataset.splits["validation"].length >= 2  # The first token is only an input.
    require_validation(experiment, has_validation)
    with located("sampling.prompt"):
        encode_prompt(dataset.vocabulary, experiment.sampling.prompt)
    metrics = build_metrics(experiment, dataset, report)
    spans = dataset.splits["training"]
    if experiment.data.piece_length is not None:
        spans = spans.cut(experiment.data.piece_length)
    batches = TrainingBatches(
        dataset.token_file,
        mix(spans, dataset.token_file, dataset.weights),
        rows=training.batch_size * training.accumulation,
        sequence_length=training.sequence_length,
        seed=experiment.identity.seed,
        shuffle=experiment.data.shuffle,
        own_rows=(
            batch * training.batch_size + row
            for batch in range(training.accumulation)
            for row in world.share(training.batch_size)
        ),
        with_starts=experiment.data.reset_state == "document",
    )
    loss: Loss = experiment.loss.build().to(device)
    characters_per_token = dataset.characters_per_token("training")
    length_of_calls = min(training.sequence_length, training.recompute_every or training.sequence_length)
    return LanguageModelTraining(
        experiment=experiment,
        device=device,
        world=world,
        description=dataset.description,
        digest=dataset.token_file.digest,
        vocabulary=dataset.vocabulary,
        files=[dataset.token_file.folder / VOCABULARY],
        training_size=dataset.splits["training"].length,
        validation_size=dataset.splits["validation"].length,
        has_validation=has_validation,
        has_samples=True,
        steps_per_epoch=float(batches.steps_per_epoch),
        batch_shape=BatchShape(length_of_calls, training.batch_size // world.size),
        characters_per_target=characters_per_token if loss.in_nats else None,
        dataset=dataset,
        loss=loss,
        samplers=[sampler.build() for sampler in experiment.samplers],
        metrics=metrics,
        baseline=score_baseline(metrics, experiment, dataset, world),
        batches=batches,
        characters_per_token=characters_per_token,
    )


def evaluate(run: LoadedRun, split: SplitName) -> LikelihoodScore:
    """Score a whole split by its likelihood. `Task` has the errors."""
    dataset = require_tokens(run, split)
    return _score_split(run.experiment, dataset, split, run.model, None, run.report, ALONE)


def block_losses(run: LoadedRun, split: SplitName) -> BlockLosses:
    """Score a whole split in blocks of text. `Task` has the errors."""
    dataset = require_tokens(run, split)
    spans = dataset.splits[split]
    # The blocks do not depend on the experiment's batches, so that those of different runs can be paired.
    length = max(SHORTEST_BLOCK, min(BLOCK, spans.length // FEWEST_BLOCKS))
    resets = run.experiment.data.reset_state == "document"
    batches = evaluation_batches(dataset.token_file, spans, BLOCK_ROWS, length, with_starts=resets)
    nats, tokens = score_blocks(run.model, batches, spans.length - 1, run.report)
    data = run.experiment.data.model_dump_json(include={*SPLIT_KEYS})
    digest = f"{dataset.token_file.digest} {split} {data}"
    ratio = dataset.characters_per_token(split)
    return BlockLosses(digest, "bits per character", nats / math.log(2), tokens * ratio)


LANGUAGE_MODEL = Task(Units("tokens", "chars", "sample", "sample {run}"), prepare_training, evaluate, block_losses)
"""A language model, trained by truncated backpropagation through time."""


def score_samples(
    run: LoadedRun, chains: Sequence[Sequence[Component]], seed: int
) -> tuple[list[TextScores], TextScores]:
    """Draw samples with the `[sampling]` settings, and score them and held-out text by the metrics of samples.

    Returns:
        Values of the samples of each chain of samplers, and the baseline. All are empty if there is no metric of
        samples: those of labelled examples score predictions, in an evaluation.
    """
    experiment = run.experiment
    if experiment.labelled or not experiment.metrics:
        return [TextScores() for _ in chains], TextScores()
    dataset = run.dataset
    metrics = build_metrics(experiment, dataset, run.report)
    options = experiment.sampling.model_dump(exclude={"interval"})
    scores: list[TextScores] = []
    for chain in chains:
        samplers = [sampler.build() for sampler in chain]
        texts = sample_texts(run.model, run.vocabulary, samplers, **options, seed=seed, report=run.report)
        run.report(WorkProgressed("scoring samples"))
        scores.append(score_texts(metrics, [texts], prompt=experiment.sampling.prompt))
    baseline = score_baseline(metrics, experiment, dataset)
    return [summarize(metrics, each, baseline) for each in scores], baseline


def require_tokens(run: LoadedRun, split: SplitName) -> Dataset:
    """Return the text of a run with a split of at least two tokens: one to read, one to predict."""
    check_split(split)
    if run.dataset.splits[split].length < 2:
        raise empty_split(run.experiment, split)
    return run.dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModelTraining(TrainingTask):
    """A stream of text that is prepared for training a language model.

    Attributes:
        loss: The training loss, on the device.
        baseline: Values of the metrics on held-out text.
        characters_per_token: Mean number of characters per token of the training split.
    """

    dataset: Dataset
    loss: Loss
    samplers: Sequence[Sampler]
    metrics: Mapping[str, Metric]
    baseline: TextScores
    batches: TrainingBatches
    characters_per_token: float

    def new_state(self) -> TrainingState:
        """Return the state before the first step."""
        carried = self.experiment.training.accumulation
        return new_training_state(self.experiment, self.vocabulary.size, self.device, carried_batches=carried)

    def read_step(self, state: TrainingState, progress: Progress) -> StepBatches:
        """Read the batches of the next optimizer step."""
        del progress
        training = self.experiment.training
        batches = self.batches.batch(state.step).divide(training.accumulation)
        tokens = training.batch_size * training.accumulation * training.sequence_length
        return StepBatches(
            text_losses(state, batches, self.loss, training.recompute_every), tokens * self.characters_per_token
        )

    def evaluate(self, model: SequenceModel, report: Report = no_report) -> LikelihoodScore:
        """Score as much of the validation split as `evaluation.tokens` allows."""
        limit = self.experiment.evaluation.tokens
        return _score_split(self.experiment, self.dataset, "validation", model, limit, report, self.world)

    def sample(self, model: SequenceModel, step: int, report: Report = no_report) -> TaskSample:
        """Draw samples, and score them by the metrics."""
        seed = self.experiment.identity.seed + step * SAMPLE_SEED_STRIDE
        options = self.experiment.sampling.model_dump(exclude={"interval"})
        texts = sample_texts(
            model, self.vocabulary, self.samplers, **options, seed=seed, report=report, world=self.world
        )
        scores = score_texts(self.metrics, [texts], self.world, self.experiment.sampling.prompt)
        return TaskSample(texts, summarize(self.metrics, scores, self.baseline), self.baseline)


def text_losses(
    state: TrainingState, batches: Sequence[Batch], loss: Loss, recompute_every: int | None = None
) -> list[BatchLoss]:
    """Return the loss of each of several batches of text, whose mean is the loss of a step.

    A batch that continues the previous one starts from its recurrent state. With `recompute_every`, the activations of
    so many steps are in memory at once.
    """

    def loss_of(batch: Batch, before: States | None, model: SequenceModel) -> tuple[Tensor, States]:
        states = model.initial_states(batch.inputs.shape[1]) if before is None else before
        inputs, targets = send(batch.inputs, state.device), send(batch.targets, state.device)
        masks = model.draw_masks(inputs.shape[1])

        def compute(steps: slice, states: States) -> tuple[Tensor, States]:
            starts = None if batch.starts is None else batch.starts[steps]
            outputs, after, penalty = model.read(inputs[steps], states, starts, masks)
            value = loss(outputs, targets[steps]) + penalty
            weight = len(outputs) / len(inputs) / len(batches)  # Every target counts.
            return value if weight == 1 else value * weight, after

        if recompute_every is None or recompute_every >= len(inputs):
            return compute(slice(None), states)
        parts = [slice(first, first + recompute_every) for first in range(0, len(inputs), recompute_every)]
        return add_recomputed([partial(compute, part) for part in parts], states, state.parameters)

    return [
        partial(loss_of, batch, state.recurrent[index] if batch.continues and state.recurrent else None)
        for index, batch in enumerate(batches)
    ]


def _score_split(
    experiment: Experiment,
    dataset: Dataset,
    split: SplitName,
    model: SequenceModel,
    limit: int | None,
    report: Report,
    world: World,
) -> LikelihoodScore:
    whole, training = dataset.splits[split], experiment.training
    shape = training.batch_size, training.sequence_length
    resets = experiment.data.reset_state == "document"
    nats, counts, bits = list[Vector](), list[Vector](), dict[str, float]()
    for name, spans in dataset.sources(split).items():
        if spans.length < 2:
            continue
        limited = None if limit is None else max(1, limit * spans.length // whole.length)
        batches = evaluation_batches(dataset.token_file, spans, *shape, limit=limited, world=world, with_starts=resets)
        targets = min(spans.length - 1, limited or spans.length)
        for values, blocks in zip((nats, counts), score_blocks(model, batches, targets, report, world), strict=True):
            values.append(blocks)
        ratio = dataset.characters_per_token(split, name or None)
        bits[name] = bits_per_character(float(nats[-1].sum() / counts[-1].sum()), ratio)
    score = summarize_blocks(np.concatenate(nats), np.concatenate(counts), dataset.characters_per_token(split))
    sources = bits if dataset.weights else {}
    return replace(score, sources=sources, characters_per_byte=dataset.characters_per_byte(split))


def _check_division(rows: int, world: World) -> None:
    """Raise an `ExperimentError` if the processes would have different numbers of rows of a batch."""
    if rows % world.size:
        fitting = sorted({max(world.size, rows // world.size * world.size), -(-rows // world.size) * world.size})
        raise ExperimentError(
            f"training.batch_size = {rows} cannot be divided by {world.size} processes",
            hint=f"Use {' or '.join(map(str, fitting))}, or another number of processes.",
        )

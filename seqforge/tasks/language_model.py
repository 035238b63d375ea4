"""The task of a language model: predict the next symbol of a stream of text."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from seqforge.data import Dataset, SplitName, TrainingBatches, check_split, evaluation_batches, prepare
from seqforge.distribution import ALONE, Replica, World
from seqforge.errors import DataError, RunError, quote_path
from seqforge.evaluation.baseline import score_baseline
from seqforge.evaluation.bootstrap import BlockLosses
from seqforge.evaluation.likelihood import (
    BLOCK,
    FEWEST_BLOCKS,
    LikelihoodScore,
    bits_per_character,
    score_blocks,
    score_likelihood,
)
from seqforge.evaluation.metrics import TextScores, build_metrics, score_texts
from seqforge.events import Report, Units, WorkProgressed, no_report
from seqforge.experiment import Experiment
from seqforge.generation import Decoding, Predictor, encode_prompt, sample_texts
from seqforge.kinds import Loss, Metric, Progress, Sampler, Vocabulary
from seqforge.kinds.schedule import learning_rate_factor
from seqforge.model import BatchShape, SequenceModel
from seqforge.registry import Component
from seqforge.runs.directory import RunDirectory
from seqforge.runs.training_state import TrainingState, new_training_state
from seqforge.tasks.dynamic_evaluation import check_learning_rate, score_dynamically
from seqforge.tasks.task import Task, TrainedModel, check_division
from seqforge.training.limits import run_limits
from seqforge.training.step import train_step
from seqforge.training.task import TaskSample, TaskStep, TrainingTask

SAMPLE_SEED_STRIDE = 1_000_003
"""Distance between the seeds of samples at successive steps."""

SHORTEST_BLOCK, BLOCK_ROWS = 50, 32
"""Smallest number of tokens in a block of held-out text, and number of blocks that are scored at once."""


@dataclass(frozen=True, slots=True)
class LanguageModelTask(Task):
    """A language model, trained by truncated backpropagation through time."""

    terms: ClassVar = Units("tokens", "chars", "sample", "sample {run}")

    def prepare_training(self, device: torch.device, report: Report, world: World = ALONE) -> "LanguageModelTraining":
        """Prepare the corpus, the loss, the samplers and the metrics for training, and check them."""
        experiment, training = self.experiment, self.experiment.training
        check_division(training.batch_size, world)
        dataset = world.in_turn("corpus", lambda: prepare(experiment, report))
        self.check_patience(has_validation=dataset.splits["validation"].length >= 2)
        try:
            encode_prompt(dataset.vocabulary, experiment.sampling.prompt)
        except DataError as error:
            raise DataError(f"sampling.prompt: {error.message}", hint=error.hint) from error
        metrics = build_metrics(experiment, dataset, report)
        spans = dataset.splits["training"]
        if experiment.data.piece_length is not None:
            spans = spans.cut(experiment.data.piece_length)
        batches = TrainingBatches(
            dataset.token_file,
            spans,
            lanes=training.batch_size * training.accumulation,
            sequence_length=training.sequence_length,
            seed=experiment.identity.seed,
            shuffle=experiment.data.shuffle,
            own_lanes=[
                batch * training.batch_size + row
                for batch in range(training.accumulation)
                for row in world.share(training.batch_size)
            ],
        )
        limits = run_limits(training, batches.steps_per_epoch)
        return LanguageModelTraining(
            experiment=experiment,
            device=device,
            description=dataset.description,
            digest=dataset.token_file.digest,
            vocabulary=dataset.vocabulary,
            files=[dataset.token_file.vocabulary],
            training_size=dataset.splits["training"].length,
            validation_size=dataset.splits["validation"].length,
            steps_per_epoch=float(batches.steps_per_epoch),
            batch_shape=BatchShape(training.sequence_length, training.batch_size // world.size, *limits),
            world=world,
            dataset=dataset,
            loss=experiment.loss.build().to(device),
            samplers=[sampler.build() for sampler in experiment.samplers],
            metrics=metrics,
            baseline=score_baseline(metrics, experiment, dataset, world),
            batches=batches,
            characters_per_token=dataset.characters_per_token("training"),
        )

    def evaluate(
        self, trained: TrainedModel, split: SplitName, report: Report, dynamic: float | None = None
    ) -> LikelihoodScore:
        """Score a whole split by its likelihood."""
        check_split(split)
        if dynamic is not None:
            check_learning_rate(dynamic)
        dataset = prepare(self.experiment, report)
        trained.check_corpus(dataset.token_file.digest)
        spans, training = dataset.splits[split], self.experiment.training
        if spans.length < 2:
            raise self.empty_split(split)
        model = self.load_model(trained)
        if dynamic is None:
            return _score_split(self.experiment, dataset, split, model, None, report, ALONE)
        batches = evaluation_batches(dataset.token_file, spans, 1, training.sequence_length)
        ratio = dataset.characters_per_token(split)
        return score_dynamically(model, batches, ratio, spans.length - 1, dynamic, training, report)

    def block_losses(self, trained: TrainedModel, split: SplitName, report: Report) -> BlockLosses:
        """Score a whole split in blocks of text."""
        check_split(split)
        dataset = prepare(self.experiment, report)
        trained.check_corpus(dataset.token_file.digest)
        spans = dataset.splits[split]
        if spans.length < 2:
            raise self.empty_split(split)
        # The blocks do not depend on the experiment's batches, so that those of different runs can be paired.
        length = max(SHORTEST_BLOCK, min(BLOCK, spans.length // FEWEST_BLOCKS))
        batches = evaluation_batches(dataset.token_file, spans, BLOCK_ROWS, length)
        nats, tokens = score_blocks(self.load_model(trained), batches, spans.length - 1, report)
        data = self.experiment.data.model_dump_json(exclude={"shuffle"})
        digest = f"{dataset.token_file.digest} {split} {data}"
        ratio = dataset.characters_per_token(split)
        return BlockLosses(digest, "bits per character", nats / math.log(2), tokens * ratio)

    def score_samples(
        self, trained: TrainedModel, chains: Sequence[Sequence[Component]], seed: int, report: Report
    ) -> tuple[list[TextScores], TextScores]:
        """Draw samples with the `[sampling]` settings, and score them and held-out text by the metrics."""
        if not self.experiment.metrics:
            return [TextScores() for _ in chains], TextScores()
        dataset = prepare(self.experiment, report)
        metrics = build_metrics(self.experiment, dataset, report)
        model, vocabulary = self.language_model(trained)
        scores: list[TextScores] = []
        for chain in chains:
            samplers = [sampler.build() for sampler in chain]
            texts = _draw_samples(self.experiment, model, vocabulary, samplers, seed, report, ALONE)
            report(WorkProgressed("scoring samples"))
            scores.append(score_texts(metrics, [texts], prompt=self.experiment.sampling.prompt))
        return scores, score_baseline(metrics, self.experiment, dataset)

    def language_model(self, trained: TrainedModel) -> tuple[SequenceModel, Vocabulary]:
        """Load the model, in evaluation mode, and its vocabulary."""
        return self.load_model(trained), self.vocabulary(trained.directory)

    def predictor(self, trained: TrainedModel, decoding: Decoding) -> Predictor:
        """Raise a RunError, since a language model does not predict the targets of examples."""
        del decoding
        raise RunError(
            f"{trained.path}: the run is a language model, which cannot predict the targets of examples",
            hint=f"To draw samples: seqforge sample {quote_path(trained.path)}",
            python_hint="To draw samples: run.sample()",
        )

    def example_spec(self, directory: RunDirectory) -> None:
        """Return None, since a language model has no labelled examples."""
        del directory


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModelTraining(TrainingTask):
    """A stream of text that is prepared for training a language model.

    Attributes:
        dataset: Encoded corpus with its vocabulary and splits.
        loss: The training loss, on the device.
        samplers: Chain of samplers.
        metrics: Metrics of samples by name.
        baseline: Values of the metrics on held-out text.
        batches: Batches of the training split.
        characters_per_token: Mean number of characters per token of the training split.
    """

    terms: ClassVar = LanguageModelTask.terms
    dataset: Dataset
    loss: Loss
    samplers: Sequence[Sampler]
    metrics: Mapping[str, Metric]
    baseline: TextScores
    batches: TrainingBatches
    characters_per_token: float

    @property
    def has_validation(self) -> bool:
        """Whether the validation split can be scored: its first token is only an input."""
        return self.validation_size >= 2

    def new_state(self) -> TrainingState:
        """Return the state before the first step."""
        carried = self.experiment.training.accumulation
        return new_training_state(self.experiment, self.vocabulary.size, self.device, carried_batches=carried)

    def step(self, state: TrainingState, replica: Replica[SequenceModel], progress: Progress) -> TaskStep:
        """Take one optimizer step."""
        training = self.experiment.training
        batches = self.batches.batch(state.step).divide(training.accumulation)
        factor = learning_rate_factor(state.schedule, progress)
        clipping = training.gradient_clip_norm, training.gradient_clip_value
        result = train_step(state, batches, self.loss, factor, *clipping, replica)
        tokens = training.batch_size * training.accumulation * training.sequence_length
        return TaskStep(result, tokens * self.characters_per_token)

    def bits_per_character(self, loss: float) -> float | None:
        """Return a training loss in bits per character; None if it is not a likelihood of text."""
        return bits_per_character(loss, self.characters_per_token) if self.loss.in_nats else None

    def evaluate(self, model: SequenceModel, report: Report = no_report) -> LikelihoodScore | None:
        """Score as much of the validation split as `evaluation.tokens` allows; return None if the split is empty."""
        if not self.has_validation:
            return None
        limit = self.experiment.evaluation.tokens
        return _score_split(self.experiment, self.dataset, "validation", model, limit, report, self.world)

    def sample(self, model: SequenceModel, step: int, report: Report = no_report) -> TaskSample:
        """Draw samples, and score them by the metrics."""
        seed = self.experiment.identity.seed + step * SAMPLE_SEED_STRIDE
        texts = _draw_samples(self.experiment, model, self.vocabulary, self.samplers, seed, report, self.world)
        scores = score_texts(self.metrics, [texts], self.world, self.experiment.sampling.prompt)
        return TaskSample(texts, scores, self.baseline)


def _score_split(
    experiment: Experiment,
    dataset: Dataset,
    split: SplitName,
    model: SequenceModel,
    limit: int | None,
    report: Report,
    world: World,
) -> LikelihoodScore:
    spans, training = dataset.splits[split], experiment.training
    shape = training.batch_size, training.sequence_length
    batches = evaluation_batches(dataset.token_file, spans, *shape, limit=limit, world=world)
    targets = min(spans.length - 1, limit or spans.length)
    return score_likelihood(model, batches, dataset.characters_per_token(split), targets, report, world)


def _draw_samples(
    experiment: Experiment,
    model: SequenceModel,
    vocabulary: Vocabulary,
    samplers: Sequence[Sampler],
    seed: int,
    report: Report,
    world: World,
) -> list[str]:
    sampling = experiment.sampling
    return sample_texts(
        model,
        vocabulary,
        samplers,
        sampling.prompt,
        count=sampling.count,
        length=sampling.length,
        seed=seed,
        report=report,
        world=world,
    )

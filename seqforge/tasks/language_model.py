"""Learning from a stream of text: a language model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from seqforge.checkpoints.training_state import TrainingState, initial_state
from seqforge.data import Dataset, Report, TrainingBatches, evaluation_batches, prepare
from seqforge.errors import DataError
from seqforge.evaluation.baseline import score_baseline
from seqforge.evaluation.likelihood import LikelihoodScore, bits_per_character, score_likelihood
from seqforge.evaluation.samples import build_metrics, score_texts
from seqforge.experiment import Experiment
from seqforge.generation import encode_prompt, sample_texts
from seqforge.interfaces import Loss, Metric, Progress, Sampler
from seqforge.model import SequenceModel, Workload
from seqforge.training.progress import run_limits
from seqforge.training.step import train_step
from seqforge.training.task import TaskSample, TaskStep

SAMPLE_SEED_STRIDE = 1_000_003
"""Keeps the seeds of samples at different steps apart."""


@dataclass(frozen=True, slots=True)
class StreamTask:
    """A stream of text whose next symbols are learnt.

    Attributes:
        experiment: What is trained, and how.
        dataset: What it is trained and evaluated on.
        device: Where.
        loss: On that device.
        samplers: The chain.
        metrics: By name.
        baseline: What the metrics say of held-out text.
        batches: The training split.
        characters_per_token: Of the training split.
    """

    experiment: Experiment
    dataset: Dataset
    device: torch.device
    loss: Loss
    samplers: Sequence[Sampler]
    metrics: Mapping[str, Metric]
    baseline: Mapping[str, float]
    batches: TrainingBatches
    characters_per_token: float
    labelled: bool = field(default=False, init=False)

    @property
    def description(self) -> str:
        """The corpus in its own words."""
        return self.dataset.description

    @property
    def digest(self) -> str:
        """Of the tokens."""
        return self.dataset.token_file.digest

    @property
    def files(self) -> list[Path]:
        """What the vocabulary learnt."""
        return [self.dataset.token_file.vocabulary]

    @property
    def training_size(self) -> int:
        """Tokens of the training split."""
        return self.dataset.splits["training"].length

    @property
    def validation_size(self) -> int:
        """Tokens of the validation split."""
        return self.dataset.splits["validation"].length

    @property
    def steps_per_epoch(self) -> float:
        """Optimizer steps of one pass over the training split."""
        return float(self.batches.steps_per_epoch)

    @property
    def workload(self) -> Workload:
        """Shape of a batch, and length of the run."""
        training = self.experiment.training
        return Workload(training.sequence_length, training.batch_size, *run_limits(training, self.steps_per_epoch))

    def new_state(self) -> TrainingState:
        """Make the state before the first step."""
        return initial_state(self.experiment, self.dataset.vocabulary.size, self.device)

    def step(self, state: TrainingState, progress: Progress) -> TaskStep:
        """Take one optimizer step.

        Args:
            state: Renewed in place.
            progress: How far the run has come.
        """
        training, ratio = self.experiment.training, self.characters_per_token
        batches = self.batches.batch(state.step).divided(training.accumulation)
        factor = state.schedule.factor(progress)
        clipping = training.gradient_clip_norm, training.gradient_clip_value
        result = train_step(state, batches, self.loss, factor, *clipping)
        bits = bits_per_character(result.loss, ratio) if self.loss.in_nats else None
        return TaskStep(result, bits, training.batch_size * training.accumulation * training.sequence_length * ratio)

    def evaluate(self, model: SequenceModel) -> LikelihoodScore | None:
        """Score the validation split, or as much of it as the experiment says.

        Args:
            model: Left in evaluation mode.
        """
        spans, training = self.dataset.splits["validation"], self.experiment.training
        if spans.length < 2:
            return None
        batches = evaluation_batches(
            self.dataset.token_file,
            spans,
            training.batch_size,
            training.sequence_length,
            limit=self.experiment.evaluation.tokens,
        )
        return score_likelihood(model, batches, self.dataset.characters_per_token("validation"))

    def sample(self, model: SequenceModel, step: int) -> TaskSample:
        """Draw samples, and judge them.

        Args:
            model: Left in evaluation mode.
            step: Optimizer steps done.
        """
        sampling = self.experiment.sampling
        texts = sample_texts(
            model,
            self.dataset.vocabulary,
            self.samplers,
            sampling.prompt,
            count=sampling.count,
            length=sampling.length,
            seed=self.experiment.identity.seed + step * SAMPLE_SEED_STRIDE,
        )
        return TaskSample(texts, score_texts(self.metrics, [texts]), self.baseline)


def stream_task(experiment: Experiment, device: torch.device, report: Report) -> StreamTask:
    """Build what a language model learns from, and refuse what would fail only later.

    Args:
        experiment: Names it.
        device: Where the model is trained.
        report: Is told how far the encoding has come.

    Raises:
        DataError: Where the corpus is missing, empty or shorter than one batch, or the samples' prompt cannot be
            encoded.
    """
    dataset = prepare(experiment, report)
    try:
        encode_prompt(dataset.vocabulary, experiment.sampling.prompt)
    except DataError as error:
        raise DataError(f"sampling.prompt: {error.message}", hint=error.hint) from error
    training = experiment.training
    metrics = build_metrics(experiment, dataset)
    return StreamTask(
        experiment,
        dataset,
        device,
        loss=experiment.loss.build().to(device),
        samplers=[sampler.build() for sampler in experiment.samplers],
        metrics=metrics,
        baseline=score_baseline(metrics, experiment, dataset),
        batches=TrainingBatches(
            dataset.token_file,
            dataset.splits["training"],
            lanes=training.batch_size * training.accumulation,
            sequence_length=training.sequence_length,
            seed=experiment.identity.seed,
            shuffle=experiment.data.shuffle,
        ),
        characters_per_token=dataset.characters_per_token("training"),
    )

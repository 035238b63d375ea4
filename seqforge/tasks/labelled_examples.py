"""The task of labelled examples: predict a class, numbers, labels of steps, or a new sequence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqforge.data import (
    EXAMPLE_SPEC,
    BucketedBatches,
    LabelledDataset,
    PaddedBatch,
    SplitName,
    check_split,
    decode_target,
    prepare_examples,
    read_batch,
    read_example_spec,
    to_text,
)
from seqforge.data.bucketed_batches import BatchShare
from seqforge.distribution import ALONE, Replica, World
from seqforge.errors import RunError, quote_path
from seqforge.evaluation.bootstrap import BlockLosses
from seqforge.evaluation.examples import (
    ExampleScore,
    ExampleScoring,
    decode_targets,
    example_loss,
    score_each_example,
    score_examples,
)
from seqforge.evaluation.metrics import TextScores, build_metrics
from seqforge.events import Report, Units, no_report
from seqforge.generation import Decoding, Predictor, TargetVocabulary, predict_examples
from seqforge.hardware.devices import choose_device
from seqforge.kinds import ExampleSpec, Progress, Vocabulary
from seqforge.kinds.schedule import learning_rate_factor
from seqforge.model import BatchShape, SequenceModel
from seqforge.registry import Component
from seqforge.runs.directory import RunDirectory
from seqforge.runs.training_state import TrainingState, new_training_state
from seqforge.tasks.task import Task, TrainedModel
from seqforge.training.limits import run_limits
from seqforge.training.step import optimizer_step
from seqforge.training.task import TaskSample, TaskStep, TrainingTask

RESAMPLES = 200
"""Number of resamples for the intervals of metrics if a whole split is scored. In training, there are none."""

_SHOWN_LENGTH = 200
"""Maximum number of characters of a prediction that are shown during training."""


@dataclass(frozen=True, slots=True)
class LabelledExamplesTask(Task):
    """A model that reads whole examples and predicts their targets."""

    terms: ClassVar = Units("examples", "steps", "predictions", "predict {run} EXAMPLE")

    def prepare_training(
        self, device: torch.device, report: Report, world: World = ALONE
    ) -> "LabelledExamplesTraining":
        """Prepare the examples, the loss and the metrics for training, and check them."""
        experiment, training = self.experiment, self.experiment.training
        dataset = world.in_turn("corpus", lambda: prepare_examples(experiment, report))
        file, splits = dataset.file, dataset.splits
        self.check_patience(has_validation=len(splits["validation"]) > 0)
        has_end = experiment.topology.output_mode == "sequence"
        batches = BucketedBatches(
            file,
            splits["training"],
            training.batch_size,
            training.batch_tokens,
            experiment.identity.seed,
            experiment.data.shuffle,
            TargetVocabulary(file.spec, dataset.vocabulary).end if has_end else None,
        )
        steps_per_epoch = batches.batches_per_epoch / training.accumulation
        time, rows = batches.part(0, world)[0].inputs.shape[:2]
        return LabelledExamplesTraining(
            experiment=experiment,
            device=device,
            description=dataset.description,
            digest=file.digest,
            vocabulary=dataset.vocabulary,
            files=[file.vocabulary, file.folder / EXAMPLE_SPEC],
            training_size=len(splits["training"]),
            validation_size=len(splits["validation"]),
            steps_per_epoch=steps_per_epoch,
            batch_shape=BatchShape(time, rows, *run_limits(training, steps_per_epoch)),
            world=world,
            dataset=dataset,
            scoring=self._scoring(device, experiment.evaluation.tokens),
            batches=batches,
        )

    def evaluate(
        self, trained: TrainedModel, split: SplitName, report: Report, dynamic: float | None = None
    ) -> ExampleScore:
        """Score a whole split by the loss and the metrics."""
        if dynamic is not None:
            raise RunError(f"{trained.path}: dynamic evaluation needs a language model, not labelled examples")
        check_split(split)
        dataset = prepare_examples(self.experiment, report)
        trained.check_corpus(dataset.file.digest)
        examples = dataset.splits[split]
        if not len(examples):
            raise self.empty_split(split)
        scoring = self._scoring(choose_device(trained.device), None)
        return score_examples(self.load_model(trained), dataset, examples, scoring, report)

    def block_losses(self, trained: TrainedModel, split: SplitName, report: Report) -> BlockLosses:
        """Score each example of a split by the loss."""
        check_split(split)
        dataset = prepare_examples(self.experiment, report)
        trained.check_corpus(dataset.file.digest)
        examples = np.sort(dataset.splits[split])
        if not len(examples):
            raise self.empty_split(split)
        loss = self.experiment.loss.build().to(choose_device(trained.device))
        totals, sizes = score_each_example(self.load_model(trained), dataset, examples, loss, report)
        digest = f"{dataset.file.digest} {examples.tobytes().hex()}"
        return BlockLosses(digest, f"loss {self.experiment.loss.table}", totals, sizes)

    def score_samples(
        self, trained: TrainedModel, chains: Sequence[Sequence[Component]], seed: int, report: Report
    ) -> tuple[list[TextScores], TextScores]:
        """Return no values: the metrics of labelled examples score predictions, in `evaluate`."""
        del trained, seed, report
        return [TextScores() for _ in chains], TextScores()

    def language_model(self, trained: TrainedModel) -> tuple[SequenceModel, Vocabulary]:
        """Raise a RunError, since the model does not predict the next symbol of a text."""
        raise RunError(
            f"{trained.path}: the model was trained on labelled examples; only language models can be sampled and "
            "inspected",
            hint=f"To predict examples: seqforge predict {quote_path(trained.path)} EXAMPLE",
            python_hint="To predict examples: run.predict([EXAMPLE])",
        )

    def predictor(self, trained: TrainedModel, decoding: Decoding) -> Predictor:
        """Load the model, and return a predictor of the targets of new examples."""
        training, directory = self.experiment.training, trained.directory
        limits = training.batch_size, training.batch_tokens
        model, vocabulary = self.load_model(trained), self.vocabulary(directory)
        return Predictor(model, self.example_spec(directory), vocabulary, decoding, *limits)

    def example_spec(self, directory: RunDirectory) -> ExampleSpec:
        """Return the shape of the examples that a run was trained on."""
        return read_example_spec(directory.spec)

    def _scoring(self, device: torch.device, limit: int | None) -> ExampleScoring:
        training = self.experiment.training
        return ExampleScoring(
            self.experiment.loss.build().to(device),
            build_metrics(self.experiment),
            self.decoding(),
            training.batch_size,
            training.batch_tokens,
            limit,
            RESAMPLES if limit is None else 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledExamplesTraining(TrainingTask):
    """Labelled examples that are prepared for training.

    Attributes:
        dataset: Encoded examples with their vocabulary and splits.
        scoring: Settings for scoring held-out examples; its loss is also the training loss.
        batches: Batches of the training split.
    """

    terms: ClassVar = LabelledExamplesTask.terms
    dataset: LabelledDataset
    scoring: ExampleScoring
    batches: BucketedBatches

    def new_state(self) -> TrainingState:
        """Return the state before the first step."""
        return new_training_state(self.experiment, self.vocabulary.size, self.device, self.dataset.file.spec)

    def step(self, state: TrainingState, replica: Replica[SequenceModel], progress: Progress) -> TaskStep:
        """Take one optimizer step."""
        training = self.experiment.training
        first = state.step * training.accumulation
        parts = [self.batches.part(first + index, self.world) for index in range(training.accumulation)]
        losses = self._losses_of(parts, replica, training.scheduled_sampling * progress.fraction)
        factor = learning_rate_factor(state.schedule, progress)
        result = optimizer_step(state, losses, factor, training.gradient_clip_norm, training.gradient_clip_value)
        return TaskStep(result, float(sum(share.all_steps for _, share in parts)))

    def _losses_of(
        self,
        parts: Sequence[tuple[PaddedBatch, BatchShare]],
        replica: Replica[SequenceModel],
        sampling_probability: float,
    ) -> Iterator[Tensor]:
        # Every target of the step has the same weight, also in batches of different sizes and in other processes.
        targets = max(sum(share.all_targets for _, share in parts), 1)
        for index, (batch, share) in enumerate(parts):
            with replica.part(last=index == len(parts) - 1):
                # The replica averages over the processes, and the loss is a sum over all targets.
                loss = replica(partial(self._loss_of, batch.to(self.device), sampling_probability))
                yield loss * (self.world.size * share.targets / targets)

    def _loss_of(self, batch: PaddedBatch, sampling_probability: float, model: SequenceModel) -> Tensor:
        encoded = model.encode(batch.inputs, batch.lengths)
        return example_loss(model, self.dataset.file.spec, encoded, batch, self.scoring.loss, sampling_probability)

    def bits_per_character(self, loss: float) -> None:
        """Return None, since the loss is not a likelihood of text."""
        del loss

    def evaluate(self, model: SequenceModel, report: Report = no_report) -> ExampleScore | None:
        """Score as much of the validation split as `evaluation.tokens` allows; return None if the split is empty."""
        if not self.has_validation:
            return None
        examples = self.dataset.splits["validation"]
        return score_examples(model, self.dataset, examples, self.scoring, report, self.world)

    @property
    def has_samples(self) -> bool:
        """Whether there are examples to predict: those of the validation split."""
        return self.has_validation

    def sample(self, model: SequenceModel, step: int, report: Report = no_report) -> TaskSample | None:
        """Predict a few examples of the validation split, the same at every step; return None if the split is empty."""
        del step, report
        if not self.has_validation:
            return None
        generator = np.random.default_rng(self.experiment.identity.seed)
        examples = generator.permutation(self.dataset.splits["validation"])[: self.experiment.sampling.count]
        own = self.world.share(len(examples))
        parts = self.world.collect(lambda: self._predict(model, examples[own.start : own.stop]) if own else [])
        return TaskSample(["\n".join(line for part in parts for line in part) + "\n"])

    def _predict(self, model: SequenceModel, examples: NDArray[np.int64]) -> list[str]:
        """Return a line with the prediction and the target of each example. The model is left in evaluation mode."""
        file, vocabulary = self.dataset.file, self.vocabulary
        batch = read_batch(file, examples).to(self.device)
        model.eval()
        with torch.inference_mode():
            encoded = model.encode(batch.inputs, batch.lengths)
            symbols = TargetVocabulary(file.spec, vocabulary)
            predictions = predict_examples(model, file.spec, symbols, encoded, self.scoring.decoding)
        lines: list[str] = []
        for index, prediction in zip(examples.tolist(), predictions, strict=True):
            predicted = to_text(file.spec, decode_target(file.spec, vocabulary, prediction.values))
            right = " or ".join(to_text(file.spec, target) for target in decode_targets(self.dataset, index))
            lines.append(f"{file.names[index]}: {_short(predicted)} (right: {_short(right)})")
        return lines


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…"

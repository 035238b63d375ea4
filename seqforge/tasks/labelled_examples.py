"""The task of labelled examples: predict a class, numbers, labels of steps, or a new sequence."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqforge.data.dataset import LabelledDataset, prepare_examples
from seqforge.data.drawn_batches import DrawnBatches
from seqforge.data.example_file import EXAMPLE_SPEC
from seqforge.data.padded_batches import BucketedBatches, PaddedBatch, read_batch
from seqforge.data.splits import SplitName, check_split
from seqforge.data.token_file import VOCABULARY
from seqforge.distribution.world import World
from seqforge.errors import DataError
from seqforge.evaluation.examples import (
    ExampleScore,
    ExampleScoring,
    decode_targets,
    example_loss,
    require_finite,
    score_each_example,
    score_examples,
)
from seqforge.evaluation.intervals import BlockLosses
from seqforge.evaluation.metrics import build_metrics
from seqforge.events import Report, Units, no_report
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.settings import Decoding
from seqforge.generation.drawing import check_minimum
from seqforge.generation.predictions import Predictor, predict_examples
from seqforge.hardware import choose_device
from seqforge.kinds import Progress
from seqforge.kinds.corpus import read_description
from seqforge.kinds.example_values import decode_target, to_text
from seqforge.model.measure_backends import BatchShape
from seqforge.model.recomputation import States
from seqforge.model.sequence_model import SequenceModel
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.training_state import TrainingState, new_training_state
from seqforge.tasks.task import StepBatches, Task, TaskSample, TrainingTask, empty_split, require_validation

RESAMPLES = 200
"""Number of resamples for the intervals of metrics if a whole split is scored. In training, there are none."""

_SHOWN_LENGTH = 200
"""Maximum number of characters of a prediction that are shown during training."""


def prepare_training(
    experiment: Experiment, device: torch.device, report: Report, world: World
) -> "LabelledExamplesTraining":
    """Prepare the examples, the loss and the metrics, and check them. `Task` has the errors."""
    training = experiment.training
    dataset = world.in_turn("corpus", lambda: prepare_examples(experiment, report))
    file, splits = dataset.file, dataset.splits
    has_validation = len(splits["validation"]) > 0
    require_validation(experiment, has_validation)
    end = file.spec.output_size(dataset.vocabulary.size) if experiment.has_decoder else None
    limits = (training.batch_size, training.batch_tokens, experiment.identity.seed)
    if dataset.corpus.training_stream() is None:
        batches = BucketedBatches(file, splits["training"], *limits, experiment.data.shuffle, end)
        steps_per_epoch = batches.batches_per_epoch / training.accumulation
    else:
        if training.epochs is not None:
            problem = f"{experiment.corpus.registration.name} draws training examples without end"
            hint = "Set training.steps or training.minutes instead."
            raise DataError(f"training.epochs has no effect, since {problem}", hint=hint)
        batches = DrawnBatches(dataset.corpus, file.spec, dataset.vocabulary, *limits, end)
        steps_per_epoch = math.inf
    steps, rows = batches.part(0, world)[0].inputs.shape[:2]
    return LabelledExamplesTraining(
        experiment=experiment,
        device=device,
        world=world,
        description=read_description(dataset.corpus),
        digest=file.digest,
        vocabulary=dataset.vocabulary,
        files=[file.folder / VOCABULARY, file.folder / EXAMPLE_SPEC],
        training_size=len(splits["training"]),
        validation_size=len(splits["validation"]),
        has_validation=has_validation,
        has_samples=has_validation,
        steps_per_epoch=steps_per_epoch,
        batch_shape=BatchShape(min(steps, training.recompute_every or steps), rows),
        dataset=dataset,
        scoring=_scoring(experiment, device, experiment.evaluation.tokens),
        batches=batches,
    )


def evaluate(run: LoadedRun, split: SplitName) -> ExampleScore:
    """Score a whole split by the loss and the metrics. `Task` has the errors."""
    check_split(split)
    dataset, experiment = run.labelled_dataset, run.experiment
    examples = dataset.splits[split]
    if not len(examples):
        raise empty_split(experiment, split)
    scoring = _scoring(experiment, choose_device(run.device), None)
    return score_examples(run.model, dataset, examples, scoring, run.report)


def block_losses(run: LoadedRun, split: SplitName) -> BlockLosses:
    """Score each example of a split by the loss. `Task` has the errors."""
    check_split(split)
    dataset, experiment = run.labelled_dataset, run.experiment
    examples = np.sort(dataset.splits[split])
    if not len(examples):
        raise empty_split(experiment, split)
    loss = experiment.loss.build().to(choose_device(run.device))
    totals, sizes = score_each_example(run.model, dataset, examples, loss, run.report)
    require_finite(float(totals.sum()))
    digest = f"{dataset.file.digest} {examples.tobytes().hex()}"
    return BlockLosses(digest, f"loss {experiment.loss.table}", totals, sizes)


LABELLED_EXAMPLES = Task(
    Units("examples", "steps", "predictions", "predict {run} EXAMPLE"), prepare_training, evaluate, block_losses
)
"""A model that reads whole examples and predicts their targets."""


def decoding_options(experiment: Experiment, *, beam: int | None = None, length: int | None = None) -> Decoding:
    """Return the `[prediction]` section, with the given beam and length instead of its own.

    Raises:
        DataError: If the beam or the length is no whole number of at least 1.
    """
    given = {name: number for name, number in (("beam", beam), ("length", length)) if number is not None}
    for name, number in given.items():
        check_minimum(name, number, 1)
    return experiment.prediction.model_copy(update=given)


def load_predictor(run: LoadedRun, decoding: Decoding) -> Predictor:
    """Load the model, and return a predictor of the targets of new examples.

    Raises:
        RunError: If the run is a language model.
    """
    spec, training = run.require_examples(), run.experiment.training
    return Predictor(run.model, spec, run.vocabulary, decoding, training.batch_size, training.batch_tokens)


def _scoring(experiment: Experiment, device: torch.device, limit: int | None) -> ExampleScoring:
    training = experiment.training
    return ExampleScoring(
        experiment.loss.build().to(device),
        build_metrics(experiment),
        decoding_options(experiment),
        training.batch_size,
        training.batch_tokens,
        limit,
        RESAMPLES if limit is None else 0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledExamplesTraining(TrainingTask):
    """Labelled examples that are prepared for training.

    Attributes:
        scoring: Settings for scoring held-out examples; its loss is also the training loss.
    """

    dataset: LabelledDataset
    scoring: ExampleScoring
    batches: BucketedBatches | DrawnBatches

    def new_state(self) -> TrainingState:
        """Return the state before the first step."""
        return new_training_state(self.experiment, self.vocabulary.size, self.device, self.dataset.file.spec)

    def read_step(self, state: TrainingState, progress: Progress) -> StepBatches:
        """Read the batches of the next optimizer step."""
        training = self.experiment.training
        first = state.step * training.accumulation
        parts = [self.batches.part(first + index, self.world) for index in range(training.accumulation)]
        # Every target of the step has the same weight, also in batches of different sizes and in other processes. The
        # replica averages over the processes, and the loss is a sum over all targets.
        targets = max(sum(share.all_targets for _, share in parts), 1)
        sampling_probability = training.scheduled_sampling * progress.fraction
        losses = [
            partial(self._loss_of, batch, self.world.size * share.targets / targets, sampling_probability)
            for batch, share in parts
        ]
        return StepBatches(losses, float(sum(share.all_steps for _, share in parts)))

    def _loss_of(
        self, batch: PaddedBatch, weight: float, sampling_probability: float, model: SequenceModel
    ) -> tuple[Tensor, States]:
        batch = batch.to(self.device)
        encoded = model.encode(batch.inputs, batch.lengths, self.experiment.training.recompute_every)
        spec = self.dataset.file.spec
        loss = example_loss(model, spec, encoded, batch, self.scoring.loss, sampling_probability)
        return loss * weight, ()

    def evaluate(self, model: SequenceModel, report: Report = no_report) -> ExampleScore:
        """Score as much of the validation split as `evaluation.tokens` allows."""
        examples = self.dataset.splits["validation"]
        return score_examples(model, self.dataset, examples, self.scoring, report, self.world)

    def sample(self, model: SequenceModel, step: int, report: Report = no_report) -> TaskSample:
        """Predict a few examples of the validation split, the same at every step."""
        del step, report
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
            predictions = predict_examples(model, file.spec, encoded, self.scoring.decoding)
        lines: list[str] = []
        for index, prediction in zip(examples.tolist(), predictions, strict=True):
            predicted = to_text(file.spec, decode_target(file.spec, vocabulary, prediction.values))
            right = " or ".join(to_text(file.spec, target) for target in decode_targets(self.dataset, index))
            lines.append(f"{file.names[index]}: {_short(predicted)} (right: {_short(right)})")
        return lines


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…"

"""Learning from labelled examples."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seqforge.checkpoints.training_state import TrainingState, initial_state
from seqforge.data import (
    EXAMPLE_SPEC,
    BucketedBatches,
    LabelledDataset,
    Report,
    as_text,
    decode_target,
    prepare_examples,
    read_batch,
)
from seqforge.evaluation.example_loss import example_loss
from seqforge.evaluation.examples import ExampleScore, ExampleScoring, right_targets, score_examples
from seqforge.evaluation.samples import build_metrics
from seqforge.experiment import Experiment
from seqforge.generation import Decoding, TargetVocabulary, predict_examples
from seqforge.interfaces import Progress
from seqforge.model import SequenceModel, Workload
from seqforge.training.progress import run_limits
from seqforge.training.step import optimizer_step
from seqforge.training.task import TaskSample, TaskStep

_SHOWN_LENGTH = 200
"""Characters of an answer that are shown while training."""


@dataclass(frozen=True, slots=True)
class LabelledTask:
    """Examples whose labels, numbers or sequences are learnt.

    Attributes:
        experiment: What is trained, and how.
        dataset: What it is trained and evaluated on.
        device: Where.
        example_scoring: How held-out examples are scored; its loss is what is trained by.
        batches: The training split.
    """

    experiment: Experiment
    dataset: LabelledDataset
    device: torch.device
    example_scoring: ExampleScoring
    batches: BucketedBatches
    labelled: bool = field(default=True, init=False)

    @property
    def description(self) -> str:
        """The corpus in its own words."""
        return self.dataset.description

    @property
    def digest(self) -> str:
        """Of the examples."""
        return self.dataset.file.digest

    @property
    def files(self) -> list[Path]:
        """What the vocabulary learnt, and what examples are made of."""
        return [self.dataset.file.vocabulary, self.dataset.file.folder / EXAMPLE_SPEC]

    @property
    def training_size(self) -> int:
        """Examples of the training split."""
        return len(self.dataset.splits["training"])

    @property
    def validation_size(self) -> int:
        """Examples of the validation split."""
        return len(self.dataset.splits["validation"])

    @property
    def steps_per_epoch(self) -> float:
        """Optimizer steps of one pass over the training split."""
        return self.batches.batches_per_epoch / self.experiment.training.accumulation

    @property
    def workload(self) -> Workload:
        """Shape of the first batch, and length of the run."""
        training = self.experiment.training
        steps, rows = self.batches.batch(0).inputs.shape[:2]
        return Workload(steps, rows, *run_limits(training, self.steps_per_epoch))

    def new_state(self) -> TrainingState:
        """Make the state before the first step."""
        return initial_state(self.experiment, self.dataset.vocabulary.size, self.device, self.dataset.file.spec)

    def step(self, state: TrainingState, progress: Progress) -> TaskStep:
        """Take one optimizer step.

        Args:
            state: Renewed in place.
            progress: How far the run has come.
        """
        training, spec = self.experiment.training, self.dataset.file.spec
        first = state.step * training.accumulation
        batches = [self.batches.batch(first + index) for index in range(training.accumulation)]
        # Each target weighs the same, in whichever batch of the step it is.
        counted = max(sum(batch.counted for batch in batches), 1)
        sampled = training.scheduled_sampling * progress.fraction

        def losses() -> Iterator[Tensor]:
            for batch in batches:
                there = batch.to(self.device)
                encoded = state.model.encode(there.inputs, there.lengths)
                value = example_loss(state.model, spec, encoded, there, self.example_scoring.loss, sampled)
                yield value * (batch.counted / counted)

        factor = state.schedule.factor(progress)
        result = optimizer_step(state, losses(), factor, training.gradient_clip_norm, training.gradient_clip_value)
        return TaskStep(result, None, float(sum(int(batch.lengths.sum()) for batch in batches)))

    def evaluate(self, model: SequenceModel) -> ExampleScore | None:
        """Score the validation split, or as much of it as the experiment says.

        Args:
            model: Left in evaluation mode.
        """
        examples = self.dataset.splits["validation"]
        return score_examples(model, self.dataset, examples, self.example_scoring) if len(examples) else None

    def sample(self, model: SequenceModel, step: int) -> TaskSample | None:
        """Answer a few examples of the validation split, the same at every step.

        Args:
            model: Left in evaluation mode.
            step: Optimizer steps done.
        """
        del step
        examples = self.dataset.splits["validation"]
        if not len(examples):
            return None
        generator = np.random.default_rng(self.experiment.identity.seed)
        chosen = generator.permutation(examples)[: self.experiment.sampling.count]
        file, vocabulary = self.dataset.file, self.dataset.vocabulary
        batch = read_batch(file, chosen).to(self.device)
        model.eval()
        with torch.inference_mode():
            encoded = model.encode(batch.inputs, batch.lengths)
            symbols = TargetVocabulary(file.spec, vocabulary)
            predictions = predict_examples(model, file.spec, symbols, encoded, self.example_scoring.decoding)
        lines: list[str] = []
        for index, prediction in zip(chosen.tolist(), predictions, strict=True):
            written = as_text(file.spec, decode_target(file.spec, vocabulary, prediction.values))
            right = " or ".join(as_text(file.spec, target) for target in right_targets(self.dataset, index))
            lines.append(f"{file.names[index]}: {_short(written)} (right: {_short(right)})")
        return TaskSample(["\n".join(lines) + "\n"], {}, {})


def labelled_task(experiment: Experiment, device: torch.device, report: Report) -> LabelledTask:
    """Build what a model learns from, and refuse what would fail only later.

    Args:
        experiment: Names it.
        device: Where the model is trained.
        report: Is told how far the encoding has come.

    Raises:
        DataError: Where the corpus is missing or empty, or an example is longer than a batch may be.
    """
    dataset = prepare_examples(experiment, report)
    training = experiment.training
    writes = experiment.topology.output_mode == "sequence"
    batches = BucketedBatches(
        dataset.file,
        dataset.splits["training"],
        training.batch_size,
        training.batch_tokens,
        experiment.identity.seed,
        experiment.data.shuffle,
        TargetVocabulary(dataset.file.spec, dataset.vocabulary).end if writes else None,
    )
    return LabelledTask(experiment, dataset, device, example_scoring(experiment, device, limited=True), batches)


def example_scoring(experiment: Experiment, device: torch.device, *, limited: bool) -> ExampleScoring:
    """Say how an experiment scores examples.

    Args:
        experiment: Names loss and metrics, and says how sequences are written.
        device: Where the model is.
        limited: Whether only as much of a split is scored as the experiment says.
    """
    training = experiment.training
    return ExampleScoring(
        experiment.loss.build().to(device),
        build_metrics(experiment),
        decoding(experiment),
        training.batch_size,
        training.batch_tokens,
        experiment.evaluation.tokens if limited else None,
    )


def decoding(experiment: Experiment) -> Decoding:
    """Say how an experiment writes sequences.

    Args:
        experiment: Says it.
    """
    prediction = experiment.prediction
    return Decoding(prediction.beam, prediction.length_normalization, prediction.length)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…"

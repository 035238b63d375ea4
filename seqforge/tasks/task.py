"""A task: what differs between a language model and a model for labelled examples."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from seqforge.data.splits import SplitName
from seqforge.distribution.world import World
from seqforge.errors import DataError
from seqforge.evaluation.baseline import join_intervals
from seqforge.evaluation.examples import ExampleScore
from seqforge.evaluation.intervals import BlockLosses
from seqforge.evaluation.likelihood import LikelihoodScore
from seqforge.evaluation.metrics import TextScores
from seqforge.events import Report, Sampled, Units, no_report
from seqforge.experiment.experiment import Experiment
from seqforge.kinds import Progress, Vocabulary
from seqforge.model.measure_backends import BatchShape
from seqforge.model.recomputation import States
from seqforge.model.sequence_model import SequenceModel
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.training_state import TrainingState

SplitScore = LikelihoodScore | ExampleScore
"""The likelihood of text, or the loss and the metrics of labelled examples."""

BatchLoss = Callable[[SequenceModel], tuple[Tensor, States]]
"""Function of a model that returns the loss of one batch, as a part of the loss of a step, and the recurrent state of
every layer after the batch; empty if no later batch continues it."""


class StepBatches(NamedTuple):
    """The part of one process in the batches of one optimizer step.

    Attributes:
        losses: Loss of each batch. The loss of the step is their sum.
        characters: Number of characters, or of steps of examples, that all processes read.
    """

    losses: Sequence[BatchLoss]
    characters: float


class TaskSample(NamedTuple):
    """The output of a model at a sampling interval.

    Attributes:
        texts: Samples, or predictions for a few examples.
        scores: Values of the metrics of samples.
        baseline: The same values on held-out text.
    """

    texts: list[str]
    scores: TextScores = TextScores()
    baseline: TextScores = TextScores()

    def event(self, step: int) -> Sampled:
        """Return the event for callbacks."""
        intervals = join_intervals(self.scores, self.baseline)
        values = self.scores.values, self.baseline.values
        return Sampled(step, tuple(self.texts), *values, intervals, self.scores.summary, self.scores.marks)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTask(ABC):
    """A corpus that is prepared for training, with its loss and metrics.

    Attributes:
        world: The processes that train together.
        digest: Digest of the encoded corpus. A run can be resumed only on a corpus with the same digest.
        files: Files of the encoded corpus that are copied to the run directory.
        training_size: Number of tokens, or of examples, in the training split; 0 if it has no end.
        validation_size: Number of tokens, or of examples, in the validation split.
        has_validation: Whether the validation split can be scored.
        has_samples: Whether there is something to sample.
        steps_per_epoch: Number of optimizer steps in one pass over the training split; infinity if it has no end.
        batch_shape: Shape of a batch of one process.
        characters_per_target: Mean number of characters of a target; None if the loss is not a likelihood of text.
    """

    experiment: Experiment
    device: torch.device
    world: World
    description: str
    digest: str
    vocabulary: Vocabulary
    files: list[Path]
    training_size: int
    validation_size: int
    has_validation: bool
    has_samples: bool
    steps_per_epoch: float
    batch_shape: BatchShape
    characters_per_target: float | None = None

    @abstractmethod
    def new_state(self) -> TrainingState:
        """Return the state before the first step."""

    @abstractmethod
    def read_step(self, state: TrainingState, progress: Progress) -> StepBatches:
        """Read the batches of the next optimizer step."""

    @abstractmethod
    def evaluate(self, model: SequenceModel, report: Report = no_report) -> SplitScore:
        """Score as much of the validation split as `evaluation.tokens` allows."""

    @abstractmethod
    def sample(self, model: SequenceModel, step: int, report: Report = no_report) -> TaskSample:
        """Draw samples, or predict a few examples."""


class Task(NamedTuple):
    """What differs between a language model and a model for labelled examples.

    Attributes:
        units: Words for what the task counts and shows.
        prepare_training: Function that prepares the corpus, the loss and the metrics of an experiment for training on a
            device, reports the progress, and returns the part of this process. It raises a `DataError` if the corpus is
            missing, empty or does not fit the batches, and an `ExperimentError` if a batch cannot be divided over the
            processes.
        evaluate: Function that scores a whole split. It raises a `DataError` if there is no such split, if it is empty,
            or if the corpus is missing, and a `RunError` if the run was trained on another corpus.
        block_losses: Function that scores the blocks of a split, for bootstrap intervals, with the same errors.
    """

    units: Units
    prepare_training: Callable[[Experiment, torch.device, Report, World], TrainingTask]
    evaluate: Callable[[LoadedRun, SplitName], SplitScore]
    block_losses: Callable[[LoadedRun, SplitName], BlockLosses]


def require_validation(experiment: Experiment, has_validation: bool) -> None:
    """Check that there is a validation split if `training.patience` or `training.average_after` needs one.

    Raises:
        DataError: If there is none.
    """
    for name in () if has_validation else ("patience", "average_after"):
        if getattr(experiment.training, name) is not None:
            empty = empty_split(experiment, "validation")
            raise DataError(f"training.{name} needs evaluations, but {empty.message}", hint=empty.hint)


def empty_split(experiment: Experiment, split: SplitName) -> DataError:
    """Return the error for an empty split."""
    data = experiment.data
    fractions = {"training": 1.0, "validation": data.validation_fraction, "test": data.test_fraction}
    key = f"data.{split}_fraction"
    if fractions[split] == 0:
        hint = f"The experiment sets {key} to 0."
    elif split != "training" and data.split == "document":
        hint = f"Each document or example is in it with a probability of {fractions[split]:.3g}. Raise {key}."
    else:
        hint = f"The corpus is too small to be split by {data.split} with the fractions in [data]."
    return DataError(f"the {split} split is empty", hint=hint)

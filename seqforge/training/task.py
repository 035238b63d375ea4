"""What the trainer needs of a task: steps, evaluations and samples on a corpus."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch

from seqforge.distribution import Replica, World
from seqforge.evaluation.baseline import join_intervals
from seqforge.evaluation.examples import ExampleScore
from seqforge.evaluation.likelihood import LikelihoodScore
from seqforge.evaluation.metrics import TextScores
from seqforge.events import Report, Sampled, Units, no_report
from seqforge.experiment import Experiment
from seqforge.kinds import Progress, Vocabulary
from seqforge.model import BatchShape, SequenceModel
from seqforge.runs.training_state import TrainingState
from seqforge.training.step import StepResult


class TaskStep(NamedTuple):
    """The values of one training step.

    Attributes:
        result: Loss, gradient norm and learning rate.
        characters: Number of characters, or of steps of examples, that all processes read.
    """

    result: StepResult
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
        return Sampled(step, tuple(self.texts), self.scores.values, self.baseline.values, intervals)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTask(ABC):
    """A corpus that is prepared for training, with its loss and metrics.

    Attributes:
        terms: Words for what the task counts and shows.
        experiment: The experiment.
        device: Device to train on.
        description: Description of the corpus.
        digest: Digest of the encoded corpus. A run can be resumed only on a corpus with the same digest.
        vocabulary: Vocabulary of the encoded corpus.
        files: Files of the encoded corpus that are copied to the run directory.
        training_size: Number of tokens, or of examples, in the training split.
        validation_size: Number of tokens, or of examples, in the validation split.
        steps_per_epoch: Number of optimizer steps in one pass over the training split.
        batch_shape: Shape of a batch of one process, and length of the run, for the choice of backends.
        world: The processes that train together.
    """

    terms: ClassVar[Units]
    experiment: Experiment
    device: torch.device
    description: str
    digest: str
    vocabulary: Vocabulary
    files: list[Path]
    training_size: int
    validation_size: int
    steps_per_epoch: float
    batch_shape: BatchShape
    world: World

    @property
    def has_validation(self) -> bool:
        """Whether the validation split can be scored."""
        return self.validation_size > 0

    @property
    def has_samples(self) -> bool:
        """Whether `sample` returns samples."""
        return True

    @abstractmethod
    def new_state(self) -> TrainingState:
        """Return the state before the first step."""

    @abstractmethod
    def step(self, state: TrainingState, replica: Replica[SequenceModel], progress: Progress) -> TaskStep:
        """Take one optimizer step."""

    @abstractmethod
    def bits_per_character(self, loss: float) -> float | None:
        """Return a training loss in bits per character; None if it is not a likelihood of text."""

    @abstractmethod
    def evaluate(self, model: SequenceModel, report: Report = no_report) -> LikelihoodScore | ExampleScore | None:
        """Score as much of the validation split as `evaluation.tokens` allows; return None if the split is empty."""

    @abstractmethod
    def sample(self, model: SequenceModel, step: int, report: Report = no_report) -> TaskSample | None:
        """Draw samples, or predict a few examples; return None if there are no examples."""

"""What the trainer needs of a task: steps, evaluations and samples on a corpus."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from seqforge.checkpoints.training_state import TrainingState
from seqforge.evaluation.examples import ExampleScore
from seqforge.evaluation.likelihood import LikelihoodScore
from seqforge.events import Report, TaskTerms
from seqforge.interfaces import Progress, Vocabulary
from seqforge.model import SequenceModel, Workload
from seqforge.training.step import StepResult


class TaskStep(NamedTuple):
    """The values of one training step.

    Attributes:
        result: Loss, gradient norm and learning rate.
        bits_per_character: Loss in bits per character, if it is a likelihood of text.
        characters: Number of characters, or of steps of examples, that were read.
    """

    result: StepResult
    bits_per_character: float | None
    characters: float


class TaskSample(NamedTuple):
    """The output of a model at a sampling interval.

    Attributes:
        texts: Samples, or predictions for a few examples.
        scores: Values of the metrics of samples, by `metric.value`.
        baseline: The same values on held-out text.
    """

    texts: list[str]
    scores: Mapping[str, float]
    baseline: Mapping[str, float]


@runtime_checkable
class TrainingTask(Protocol):
    """A corpus that is prepared for training, with its loss and metrics."""

    @property
    def description(self) -> str:
        """Description of the corpus."""
        ...

    @property
    def digest(self) -> str:
        """Digest of the encoded corpus, so that a run is not resumed on another."""
        ...

    @property
    def vocabulary(self) -> Vocabulary:
        """Vocabulary of the encoded corpus."""
        ...

    @property
    def files(self) -> list[Path]:
        """Files of the encoded corpus that the run directory keeps."""
        ...

    @property
    def terms(self) -> TaskTerms:
        """Words for what the task counts and shows."""
        ...

    @property
    def training_size(self) -> int:
        """Number of tokens, or of examples, in the training split."""
        ...

    @property
    def validation_size(self) -> int:
        """Number of tokens, or of examples, in the validation split."""
        ...

    @property
    def steps_per_epoch(self) -> float:
        """Number of optimizer steps in one pass over the training split."""
        ...

    @property
    def workload(self) -> Workload:
        """Shape of a batch and length of the run, for the choice of backends."""
        ...

    def new_state(self) -> TrainingState:
        """Return the state before the first step."""
        ...

    def step(self, state: TrainingState, progress: Progress) -> TaskStep:
        """Take one optimizer step."""
        ...

    def evaluate(self, model: SequenceModel, report: Report | None = None) -> LikelihoodScore | ExampleScore | None:
        """Score as much of the validation split as `evaluation.tokens` allows; return None if the split is empty."""
        ...

    def sample(self, model: SequenceModel, step: int, report: Report | None = None) -> TaskSample | None:
        """Draw samples, or predict a few examples; return None if there are no examples."""
        ...

"""What differs between learning from a stream of text and from labelled examples, behind one value."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from seqforge.checkpoints.training_state import TrainingState
from seqforge.evaluation.examples import ExampleScore
from seqforge.evaluation.likelihood import LikelihoodScore
from seqforge.interfaces import Progress
from seqforge.model import SequenceModel, Workload
from seqforge.training.step import StepResult


class TaskStep(NamedTuple):
    """A step's figures, as a task sees them.

    Attributes:
        result: Of the optimizer.
        bits_per_character: The loss in bits a character, where it is a likelihood of text.
        characters: Characters, or steps of examples, that were read.
    """

    result: StepResult
    bits_per_character: float | None
    characters: float


class TaskSample(NamedTuple):
    """What a model writes at a sampling interval.

    Attributes:
        texts: Samples, or answers to a few examples.
        scores: Figures of the metrics that judge samples, as `metric.value`.
        baseline: The same figures of held-out text.
    """

    texts: list[str]
    scores: Mapping[str, float]
    baseline: Mapping[str, float]


@runtime_checkable
class Task(Protocol):
    """What a model learns from, and how it is scored and shown."""

    @property
    def description(self) -> str:
        """The corpus in its own words."""
        ...

    @property
    def digest(self) -> str:
        """Of the encoded corpus, so that a run is not resumed on another."""
        ...

    @property
    def files(self) -> list[Path]:
        """What a run keeps of the corpus."""
        ...

    @property
    def labelled(self) -> bool:
        """Whether these are labelled examples."""
        ...

    @property
    def training_size(self) -> int:
        """Tokens, or examples, of the training split."""
        ...

    @property
    def validation_size(self) -> int:
        """The same of the validation split."""
        ...

    @property
    def steps_per_epoch(self) -> float:
        """Optimizer steps of one pass over the training split."""
        ...

    @property
    def workload(self) -> Workload:
        """Shape of a batch and length of the run, for the choice of backends."""
        ...

    def new_state(self) -> TrainingState:
        """Make the state before the first step."""
        ...

    def step(self, state: TrainingState, progress: Progress) -> TaskStep:
        """Take one optimizer step.

        Args:
            state: Renewed in place.
            progress: How far the run has come.
        """
        ...

    def evaluate(self, model: SequenceModel) -> LikelihoodScore | ExampleScore | None:
        """Score the validation split, or the part of it that the experiment names; None where it is empty.

        Args:
            model: Left in evaluation mode.
        """
        ...

    def sample(self, model: SequenceModel, step: int) -> TaskSample | None:
        """Let the model write; None where there is nothing to write for.

        Args:
            model: Left in evaluation mode.
            step: Optimizer steps done.
        """
        ...

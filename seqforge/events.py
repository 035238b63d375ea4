"""What callbacks and plugins receive during a run: one value for each kind of event."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Evaluated", "RunFinished", "RunStarted", "Sampled", "StepFinished", "WorkProgressed"]


ENCODING, ENCODED = "encoding", "encoded"
"""Names of the work of encoding a corpus: while it is read, with the fraction that is read, and at its end."""


@dataclass(frozen=True, slots=True)
class WorkProgressed:
    """Work outside the training steps has begun or advanced.

    Attributes:
        work: Name of the work, such as "encoding", "evaluating", "sampling" or "saving".
        fraction: Fraction of this work that is finished, from 0 to 1; None if unknown.
        amount: What is finished, such as "1,318 documents, 152.0 MB"; empty if it is not counted.
    """

    work: str
    fraction: float | None = None
    amount: str = ""


Report = Callable[[WorkProgressed], None]
"""A function that a long computation calls repeatedly with its progress."""


def no_report(event: WorkProgressed) -> None:
    """Ignore the progress of a computation."""


class Units(NamedTuple):
    """Words that differ between the tasks in the messages of a run.

    Attributes:
        size: Unit of the size of a split: "tokens" or "examples".
        speed: Unit of the input of a training step: "chars" or "steps".
        sample: Name of the output at sampling intervals: "sample" or "predictions".
        command: Arguments of the command that uses the trained model: "sample {run}" or "predict {run} EXAMPLE".
    """

    size: str
    speed: str
    sample: str
    command: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run is about to take its first step, or its first step after a resume.

    Attributes:
        name: Name of the experiment.
        directory: The run directory.
        experiment: The resolved experiment, as tables and plain values.
        corpus: Description of the corpus.
        parameters: Number of trainable parameters.
        training_size: Size of the training split, in the unit `units.size`; 0 if it has no end.
        validation_size: Size of the validation split, in the same unit.
        step: Optimizer steps taken before.
        resumed: Whether the run resumes from a checkpoint.
        units: Words that differ between the tasks.
        backends: Lines about the backends: which runs which cells, its time per batch, and why others cannot run them.
        initial: Source of the initial weights of a fine-tuned run; None for weights from the initializer.
    """

    name: str
    directory: Path
    experiment: Mapping[str, Any]
    corpus: str
    parameters: int
    training_size: int
    validation_size: int
    step: int
    resumed: bool
    units: Units
    backends: tuple[str, ...] = ()
    initial: str | None = None


@dataclass(frozen=True, slots=True)
class StepFinished:
    """One optimizer step has been taken.

    Attributes:
        step: Optimizer steps taken so far.
        epoch: Number of passes over the training split so far, such as 1.5.
        fraction: Fraction of the run that is finished, from 0 to 1.
        loss: Training loss of this step.
        bits_per_character: The same loss in bits per character; None if the loss is not a likelihood of text.
        gradient_norm: L2 norm of the gradient before clipping.
        learning_rate: Learning rate of the first parameter group.
        characters: Characters read in this step, or time steps of labelled examples.
        seconds: Training time since the first step of the run, in seconds, evaluations and samples included.
    """

    step: int
    epoch: float
    fraction: float
    loss: float
    bits_per_character: float | None
    gradient_norm: float
    learning_rate: float
    characters: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The validation split has been scored.

    Attributes:
        step: Optimizer steps taken so far.
        loss: Mean negative log-likelihood in nats per token; for labelled examples, the mean loss per target.
        bits_per_character: The same in bits per character; None for labelled examples.
        perplexity: The exponential of `loss`; None for labelled examples.
        best: Whether the loss is the lowest of the run so far.
        scores: Values of the experiment's prediction metrics, as `metric.value`; for a language model, the bits per
            character of each source of a mixture, as `source.bits_per_character`.
        intervals: Bootstrap intervals of values by their names, such as "bits_per_character".
        summary: Sentences about the values of prediction metrics.
        bits_per_byte: The loss in bits per byte of UTF-8; None for labelled examples.
    """

    step: int
    loss: float
    bits_per_character: float | None
    perplexity: float | None
    best: bool
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    summary: tuple[str, ...] = ()
    bits_per_byte: float | None = None


class Mark(NamedTuple):
    """An error in a text.

    Attributes:
        start: Index of its first character.
        stop: Index after its last character.
        message: Explanation for the user.
    """

    start: int
    stop: int
    message: str


@dataclass(frozen=True, slots=True)
class Sampled:
    """Samples have been drawn.

    Attributes:
        step: Optimizer steps taken so far.
        texts: The samples, each with its prompt.
        scores: Values of the experiment's metrics for the samples, as `metric.value`.
        baseline: The same values for held-out text of the same length. Some values have no baseline.
        intervals: 95% intervals of `scores` by their names, and of `baseline` as `NAME.baseline`.
        summary: Sentences about the most important scores.
        marks: Errors that the metrics find in the first text.
    """

    step: int
    texts: tuple[str, ...]
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    baseline: Mapping[str, float] = field(default_factory=dict[str, float])
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    summary: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run has ended or was interrupted.

    Attributes:
        directory: The run directory.
        step: Optimizer steps taken.
        reason: Reason for the end, as text.
        complete: Whether the run reached its end; False if it was interrupted or failed.
        seconds: Training time since the first step of the run, in seconds.
    """

    directory: Path
    step: int
    reason: str
    complete: bool
    seconds: float

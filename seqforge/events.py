"""What plugins are told while a run goes on: one value for each hook."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class DocumentsEncoded:
    """Some of a corpus has been turned into tokens.

    Attributes:
        documents: Documents done so far.
        size: Bytes of text done so far.
        done: Whether that was all of it.
    """

    documents: int
    size: int
    done: bool


@dataclass(frozen=True, slots=True)
class WorkProgressed:
    """Work between two training steps has begun or advanced.

    Attributes:
        work: What is done, such as "evaluating", "sampling" or "saving".
        fraction: Finished part of this work, from 0 to 1; None if unknown.
    """

    work: str
    fraction: float | None = None


Report = Callable[[DocumentsEncoded | WorkProgressed], None]
"""A function that is called now and then during a long computation."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run is about to take its first step, or its first since it was resumed.

    Attributes:
        name: The experiment's name.
        directory: The run directory.
        experiment: The experiment as resolved, as tables and plain values.
        corpus: The corpus in its own words.
        parameters: How many numbers are trained.
        training_tokens: Tokens in the training split; of labelled examples, examples.
        validation_tokens: The same in the validation split.
        step: Optimizer steps done before.
        resumed: Whether it goes on from a checkpoint.
        labelled: Whether it learns from labelled examples.
        backends: One line for each cell: which backend runs it, how fast it is, and why a faster kind does not.
    """

    name: str
    directory: Path
    experiment: Mapping[str, Any]
    corpus: str
    parameters: int
    training_tokens: int
    validation_tokens: int
    step: int
    resumed: bool
    labelled: bool = False
    backends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepFinished:
    """One optimizer step is done.

    Attributes:
        step: Optimizer steps done.
        epoch: Passes over the training split done, in fractions.
        fraction: The done part of the run, from 0 to 1.
        loss: The training loss of this step.
        bits_per_character: The same in bits a character, where the loss is a likelihood.
        gradient_norm: The gradient's L2 norm before clipping.
        learning_rate: Of the first parameter group.
        characters: Characters read in this step; of labelled examples, steps read.
        seconds: Training time since the run's first step, evaluations and samples included.
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
        step: Optimizer steps done.
        loss: Mean negative log-likelihood in nats a token; of labelled examples, the mean loss a target.
        bits_per_character: The same in bits a character; None of labelled examples.
        perplexity: The exponential of `loss`; None of labelled examples.
        best: Whether the loss is the lowest of the run so far.
        scores: Of labelled examples, figures of the experiment's metrics, as `metric.value`.
    """

    step: int
    loss: float
    bits_per_character: float | None
    perplexity: float | None
    best: bool
    scores: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Sampled:
    """Samples have been drawn.

    Attributes:
        step: Optimizer steps done.
        texts: The samples, each with its prompt.
        scores: Figures of the experiment's metrics, as `metric.value`.
        baseline: The same figures of held-out text, cut as the samples are; not all figures need have one.
    """

    step: int
    texts: tuple[str, ...]
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    baseline: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run has come to its end, or was stopped; its checkpoint is written.

    Attributes:
        directory: The run directory.
        step: Optimizer steps done.
        reason: Why it ended, in words.
        complete: Whether it reached its end, and was not interrupted.
        seconds: Training time since the run's first step.
    """

    directory: Path
    step: int
    reason: str
    complete: bool
    seconds: float

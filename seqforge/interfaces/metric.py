"""Metrics: scores of generated text."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """A part of a text that explains a figure, such as an error.

    Attributes:
        text: Index of the text.
        start: Index of its first character.
        stop: Index after its last character.
        message: Explanation for the user.
    """

    text: int
    start: int
    stop: int
    message: str


@dataclass(frozen=True, slots=True)
class Score:
    """The result of a metric.

    Attributes:
        values: Figures by name. Names are short, in full words, and the same in every call.
        findings: Parts of the texts that explain the figures.
        weights: Sample size of a figure that is a mean or a share. It is the weight of the figure when figures of
            several groups of texts are averaged, and 0 leaves it out. The default weight is 1.
        report: Text to print with the figures, such as a confusion matrix.
    """

    values: dict[str, float]
    findings: tuple[Finding, ...] = field(default=())
    weights: Mapping[str, float] = field(default_factory=dict[str, float])
    report: str = ""


class Metric(ABC):
    """A metric of texts: of the samples of a run, and of held-out text of the same length as a baseline.

    Texts may have any content.
    """

    @abstractmethod
    def score(self, texts: Sequence[str]) -> Score:
        """Score samples of a model, each with its prompt. They may have any content and any length."""


class FittedMetric(Metric):
    """A metric that depends on the training text.

    Before the first call of `score`, the engine calls `fit`, or `restore` with the state of a metric with the same
    options that was fitted to the same text.
    """

    @abstractmethod
    def fit(self, documents: Iterator[str]) -> None:
        """Learn from the training text.

        The documents come in order, one in memory at a time. A very long document is divided into pieces. The
        content may be anything.
        """

    @abstractmethod
    def state(self) -> bytes:
        """Return what was learned, which is stored with the encoded corpus."""

    @abstractmethod
    def restore(self, state: bytes) -> None:
        """Restore the result of `state`.

        Raises:
            DataError: If the state is invalid. The engine then calls `fit`.
        """

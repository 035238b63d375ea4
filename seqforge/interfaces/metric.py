"""Metrics: what is said of text that a model wrote."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One place in a text that a metric points at.

    Attributes:
        text: Which of the texts, from 0.
        start: Its first character.
        stop: One past its last character.
        message: What is to be said of it.
    """

    text: int
    start: int
    stop: int
    message: str


@dataclass(frozen=True, slots=True)
class Score:
    """What a metric found.

    Attributes:
        values: Figures by name; the names are short, in full words, and the same at every call.
        findings: The places behind the figures.
        weights: Of a figure that is a mean or a share, of how many things: by these, figures of several groups of
            texts are averaged, and one that is of nothing is left out. A figure without a weight weighs 1.
        report: What a person may want to read beside the figures, such as a confusion matrix, in lines.
    """

    values: dict[str, float]
    findings: tuple[Finding, ...] = field(default=())
    weights: Mapping[str, float] = field(default_factory=dict[str, float])
    report: str = ""


class Metric(ABC):
    """Judges texts: the samples of a run, whenever it draws some, and held-out text of their length beside them.

    Texts are never trusted.
    """

    @abstractmethod
    def score(self, texts: Sequence[str]) -> Score:
        """Judge texts, of any content and any length.

        Args:
            texts: Samples of a model, each with its prompt.
        """


class FittedMetric(Metric):
    """A metric that judges by what the training text holds.

    Before its first `score` the engine calls `learn`, or `restore` with the state of a metric of the same options that
    has learnt from the same text.
    """

    @abstractmethod
    def fit(self, documents: Iterator[str]) -> None:
        """Read the training text.

        Args:
            documents: The documents of the training split, in order, one in memory at a time; one that is very long
                comes in pieces. Their content may be anything.
        """

    @abstractmethod
    def state(self) -> bytes:
        """Give what was learnt, to be kept beside the encoded corpus."""

    @abstractmethod
    def restore(self, state: bytes) -> None:
        """Take up what was learnt before.

        Args:
            state: As `state` gave it.

        Raises:
            DataError: Where it is not such a state; then the training text is read anew.
        """

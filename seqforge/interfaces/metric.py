"""Metrics: what is said of text that a model wrote."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
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
        report: What a person may want to read beside the figures, such as a confusion matrix, in lines.
    """

    values: dict[str, float]
    findings: tuple[Finding, ...] = field(default=())
    report: str = ""


class Metric(ABC):
    """Judges texts: the samples of a run, whenever it draws some. Texts are never trusted."""

    @abstractmethod
    def score(self, texts: Sequence[str]) -> Score:
        """Judge texts, of any content and any length.

        Args:
            texts: Samples of a model, each with its prompt.
        """

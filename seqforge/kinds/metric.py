"""Metrics: scores of generated text."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """A part of a text that explains a value of a metric, such as an error.

    Attributes:
        text: Index of the text.
        start: Index of its first character.
        stop: Index after its last character.
        message: Explanation for the user.
        severity: "warning" for what correct text also contains now and then, such as an unused name.
    """

    text: int
    start: int
    stop: int
    message: str
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True, slots=True)
class Score:
    """The result of a metric.

    Attributes:
        values: Values by name. Names are short, in full words, and the same in every call.
        findings: Parts of the texts that explain the values.
        weights: Sample size of each value, used as its weight when the values of several groups of texts are averaged.
            The default is 1; 0 leaves the value out.
        report: Text to print with the values, such as a confusion matrix.
    """

    values: dict[str, float]
    findings: tuple[Finding, ...] = field(default=())
    weights: Mapping[str, float] = field(default_factory=dict[str, float])
    report: str = ""


class Metric(ABC):
    """A metric of generated text. The engine scores samples, and held-out text of the same length as a baseline."""

    @abstractmethod
    def score(self, texts: Sequence[str]) -> Score:
        """Score texts, which may have any content and any length. Samples begin with their prompt."""


class FittedMetric(Metric):
    """A metric that depends on the training text, through a state in memory.

    Before the first call of `score`, the engine calls `fit`. If a metric with the same options was already fitted to
    the same text, it calls `restore` with the state of that metric instead.
    """

    @abstractmethod
    def fit(self, documents: Iterator[str]) -> None:
        """Fit the metric to the training text.

        `documents` yields the documents in order, one in memory at a time, and a very long document in pieces. They may
        have any content.
        """

    @abstractmethod
    def state(self) -> bytes:
        """Return the result of `fit`, which the engine stores in its cache."""

    @abstractmethod
    def restore(self, state: bytes) -> None:
        """Restore a result of `state`.

        Raises:
            DataError: If the state is invalid. The engine then calls `fit`.
        """


class IndexedMetric(Metric):
    """A metric that depends on the training text, through files that are too large for memory.

    Before the first call of `score`, the engine calls `write_index`, unless the cache contains the files of a metric
    with the same options and the same text, and then `open_index`. It compares the files with their checksums first.
    """

    @abstractmethod
    def write_index(self, documents: Iterator[str], folder: Path) -> None:
        """Write files into an empty folder, which is moved to the cache afterwards.

        `documents` yields the documents as for `FittedMetric.fit`.
        """

    @abstractmethod
    def open_index(self, folder: Path) -> None:
        """Open the files of `write_index`, which stay unchanged as long as the metric exists."""

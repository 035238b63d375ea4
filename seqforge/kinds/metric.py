"""Metrics: scores of generated text."""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from seqforge.errors import describe_type
from seqforge.figures import format_figure

__all__ = ["Finding", "FittedMetric", "Metric", "Quantity", "Score"]


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
class Quantity:
    """What a value of a metric means to people who do not know the metric.

    Attributes:
        title: The value in a few words, such as "brackets that are wrong".
        unit: "share" for a fraction from 0 to 1, "per 1,000", or "number".
        better: Whether "less" or "more" of it is better, or neither.
        sentence: Sentence in which {} stands for the value, such as "{} of the brackets are wrong".
        is_detail: Whether the sentence is printed by `seqforge evaluate --details` only.
    """

    title: str
    unit: Literal["share", "per 1,000", "number"]
    better: Literal["less", "more", "neither"]
    sentence: str
    is_detail: bool = False

    def __post_init__(self) -> None:
        for name in ("unit", "better"):
            value, known = getattr(self, name), get_args(Quantity.__annotations__[name])
            if value not in known:
                raise ValueError(f"{name} of a Quantity is {value!r}. Known: {', '.join(map(repr, known))}.")

    def describe(self) -> str:
        """Return the title with the unit and the direction, such as "lines with an error (share; less is better)"."""
        better = "" if self.better == "neither" else f"; {self.better} is better"
        return f"{self.title} ({self.unit}{better})"

    def format(self, value: float) -> str:
        """Format a value for a sentence: a share, or a number per 1,000, as a percentage, and 0 as "none"."""
        if self.unit == "number":
            return format_figure(value)
        percent = value * 100 if self.unit == "share" else value / 10
        exact = {0.0: "none", 100.0: "all"}
        return exact.get(percent) or (f"{percent:.2g}%" if percent < 99 else f"{percent:.1f}%")


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


def check_quantities(metric: type[Any], quantities: Mapping[str, object]) -> None:
    """Raise a `TypeError` if the meaning of a value of a class of metrics is no `Quantity`."""
    for name, quantity in quantities.items():
        if not isinstance(quantity, Quantity):
            raise TypeError(f"{name!r} in `quantities` of {metric.__name__} is no Quantity")


class Metric(ABC):
    """A metric of generated text. The engine scores samples, and held-out text of the same length as a baseline.

    Attributes:
        quantities: What the values mean, by their names, in the order of their importance. A name that ends with "*"
            stands for all that begin like it; the rest of the name replaces the * of the title and of the sentence.
        exact_text: Whether the texts must be as in the corpus, so that the vocabulary may have no option `unknown`.
    """

    quantities: ClassVar[Mapping[str, Quantity]] = {}
    exact_text: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_quantities(cls, cls.quantities)

    @abstractmethod
    def score(self, texts: Sequence[str]) -> Score:
        """Score texts, any number of them, of any content and any length. Samples begin with their prompt.

        The names of the values are the same for all texts.
        """


class FittedMetric(Metric):
    """A metric that depends on the training text, through files that are made once.

    Before the first call of `score`, the engine calls `fit`, unless its cache contains the files of a metric with the
    same options and the same text, and then `restore`. It compares the files with their checksums first.
    """

    @abstractmethod
    def fit(self, documents: Iterator[str], folder: Path) -> None:
        """Write what the metric needs of the training text to files in an empty folder, which is moved to the cache.

        `documents` yields the documents in order, one in memory at a time, and a very long document in pieces. They may
        have any content.
        """

    @abstractmethod
    def restore(self, folder: Path) -> None:
        """Read or map the files of `fit`, which stay unchanged as long as the metric exists.

        If it raises an error, the engine calls `fit` again, since another version of the metric has written them.
        """


def name_quantities(quantities: Mapping[str, Quantity], names: Collection[str]) -> dict[str, Quantity]:
    """Return what the values with some names mean, in the order of the quantities. Values without one are left out."""
    found: dict[str, Quantity] = {}
    for pattern, quantity in quantities.items():
        for name in names:
            if name == pattern:
                found[name] = quantity
            elif pattern.endswith("*") and name.startswith(pattern[:-1]):
                title, sentence = (
                    text.replace("*", name[len(pattern) - 1 :]) for text in (quantity.title, quantity.sentence)
                )
                found[name] = replace(quantity, title=title, sentence=sentence)
    return found


def validate_score(score: Any) -> Score:
    """Return a score with its values, which may be numbers of numpy or tensors, as floats.

    Raises:
        ValueError: If it is not a `Score` whose values are finite numbers.
    """
    if not isinstance(score, Score):
        raise ValueError(f"it returned {describe_type(score)}, not a Score")
    values: Any = score.values
    if not isinstance(values, Mapping):
        raise ValueError(f"its values are {describe_type(values)}, not a dict")
    numbers: dict[str, float] = {}
    for name, value in score.values.items():
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"its value {name!r} is {value!r}, not a number") from None
        if not math.isfinite(numbers[name]):
            raise ValueError(f"its value {name!r} is {value}")
    return replace(score, values=numbers)

"""Labelled corpora: where examples come from, each with what is right to write."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from seqforge.interfaces.example_spec import ExampleSpec

Value = str | int | NDArray[Any]
"""Of text, a `str`; of a class, its index; of numbers, or of classes by step, an array whose first axis is time."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One example.

    Attributes:
        name: A stable name, unique in the corpus. Splits hash it.
        input: What is read, as the corpus's form says; at least one step.
        target: What is right to write.
        alternatives: Other targets that are as right. Training takes one in each epoch, in turn; metrics see all.
        split: Where the corpus itself says which examples are for what; None leaves it to the hash of the name.
    """

    name: str
    input: Value
    target: Value
    alternatives: tuple[Value, ...] = ()
    split: Literal["training", "validation", "test"] | None = None


class LabelledCorpus(ABC):
    """Yields named examples of one form; the engine does vocabulary, encoding, caching, splits and batches.

    An `__init__` must be cheap: it keeps options, and reads nothing large.
    """

    @property
    @abstractmethod
    def spec(self) -> ExampleSpec:
        """What every example is made of. Must be cheap: an experiment is checked by it, before anything is read."""

    @abstractmethod
    def examples(self) -> Iterator[Example]:
        """Yield every example, in a stable order, one in memory at a time.

        Raises:
            DataError: Where the source is missing, unreadable or empty.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Digest the source and the options: the same digest only where `examples` would yield the same.

        Must be much cheaper than reading the examples. The engine names its cache by it.

        Raises:
            DataError: Where the source is missing or unreadable.
        """

    @abstractmethod
    def describe(self) -> str:
        """Say in a line or two what will be read and where it was found, for the person who waits."""

"""Labelled corpora: sources of examples, each with an input and a target."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from seqforge.interfaces.example_spec import ExampleSpec

Value = str | int | NDArray[Any]
"""A `str` for text, an index for one class, an array whose first axis is time for numbers or several classes."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """An example with its target.

    Attributes:
        name: Stable name, unique in the corpus. The split of an example follows from a hash of its name.
        input: Input, of the kind that the corpus's example spec states; at least one step.
        target: Target.
        alternatives: Other targets that are equally correct. Training takes one in each epoch, in turn; metrics get
            all of them.
        split: Split of the example, if the corpus itself assigns one.
    """

    name: str
    input: Value
    target: Value
    alternatives: tuple[Value, ...] = ()
    split: Literal["training", "validation", "test"] | None = None


class LabelledCorpus(ABC):
    """A corpus of named examples of one shape. The engine encodes, caches, splits and batches them.

    An `__init__` only stores its options: it reads no data.
    """

    @classmethod
    @abstractmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        """Return the shape of the examples of a corpus with these options.

        An experiment is checked with it before any component is built or any data is read, so it must be cheap.

        Args:
            options: Options of `__init__` by name, defaults included. Of options that are components, only labelled
                corpora are included, each as its own `ExampleSpec`.

        Raises:
            ValueError: If there is no such shape for these options.
        """

    @abstractmethod
    def examples(self) -> Iterator[Example]:
        """Yield every example, in a stable order, one in memory at a time.

        Raises:
            DataError: If the source is missing, unreadable or empty.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a digest of the source and the options. Equal digests mean that `examples` yields the same.

        It must be much cheaper than reading the examples, since the engine looks for its cache by it.

        Raises:
            DataError: If the source is missing or unreadable.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return a line or two about the source and where it was found, for the user who waits."""

"""Labelled corpora: sources of examples, each with an input and a target."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from seqforge.errors import DataError, describe_type
from seqforge.kinds.example_spec import Draw, ExampleSpec, Text, Value
from seqforge.kinds.example_values import convert_input, convert_target

__all__ = ["Example", "LabelledCorpus"]

SplitName = Literal["training", "validation", "test"]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """An input with its target.

    Attributes:
        name: Stable name, unique in the corpus.
        input: Input of the kind that the example spec of the corpus states, with at least one step.
        target: Target of the kind that the example spec states.
        alternatives: Other targets that are equally correct. Training uses one target in each epoch, in turn; metrics
            receive all of them.
        split: Split of the example; None to assign it by a hash of its name.
    """

    name: str
    input: Value
    target: Value
    alternatives: tuple[Value, ...] = ()
    split: SplitName | None = None


class LabelledCorpus(ABC):
    """A corpus of named examples of one shape. The engine encodes, caches, splits and batches them.

    `__init__` must only store its options, and read no data.
    """

    @classmethod
    @abstractmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        """Return the shape of the examples of a corpus with these options.

        An experiment is checked with it before any component is built or any data is read, so it must be cheap.

        Args:
            options: Options of `__init__` by name, defaults included. An option that is a labelled corpus is given as
                its `ExampleSpec`; other components are left out.

        Raises:
            ValueError: If no shape corresponds to these options.
        """

    @abstractmethod
    def examples(self) -> Iterator[Example]:
        """Yield every example, in a stable order, one in memory at a time.

        Raises:
            DataError: If the source is missing, unreadable or empty.
        """

    def training_stream(self) -> Draw | None:
        """Return a function that draws training examples without end; None if the training split is finite.

        The engine seeds the generator by the seed of the experiment and the place in the stream: a resumed run
        continues exactly. The corpus then sets the split of every example that `examples` yields, to `validation` or
        `test`. The vocabulary learns from these, so drawn text must consist of symbols that occur in them.
        """
        return None

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a text that differs if the source has changed; see `Corpus.fingerprint`.

        Raises:
            DataError: If the source is missing or unreadable.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return one or two lines for the user about the source and its location."""


def example_spec_fault(spec: Any) -> str | None:
    """Return what is wrong with the type of a result of `LabelledCorpus.example_spec`, or None."""
    if isinstance(spec, ExampleSpec):
        return None
    return f"its example_spec returns {describe_type(spec)}, not an ExampleSpec"


def example_fault(spec: ExampleSpec, example: Example) -> str | None:
    """Return what is wrong with an example for an example spec, or None."""
    try:
        values = convert_input(spec, example.input)
    except DataError as error:
        return f"the input of {example.name!r} does not fit the example spec: {error.message}"
    for value in (example.target, *example.alternatives):
        try:
            target = convert_target(spec, value)
        except DataError as error:
            return f"the target of {example.name!r} does not fit the example spec: {error.message}"
        steps = len(cast("str", example.input)) if isinstance(spec.input, Text) else len(values)
        if spec.output_mode == "every step" and len(target) != steps:
            problem = "does not have one entry for every step of the input"
            return f"the target of {example.name!r} {problem}: expected {steps}, got {len(target)}"
    if example.split not in (None, *get_args(SplitName)):
        return f"{example.name!r} is in an unknown split, {example.split!r}"
    return None


def drawn_fault(drawn: Any) -> str | None:
    """Return what is wrong with the type of a result of `Draw`, or None."""
    values = cast("tuple[Any, ...]", drawn)
    if isinstance(drawn, tuple) and len(values) == 2:
        return None
    return f"drew {describe_type(values)}, not a tuple of an input and its target"


def held_out_fault(split: SplitName | None) -> str | None:
    """Return what is wrong with the split of an example of a corpus that has a training stream, or None."""
    if split in ("validation", "test"):
        return None
    return f"yielded an example with the split {split!r}; with a training stream, it is 'validation' or 'test'"

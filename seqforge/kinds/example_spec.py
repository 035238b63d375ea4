"""The shape of labelled examples: input, target, and when the target is predicted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, with_config

from seqforge.errors import describe_type

__all__ = ["Classes", "Draw", "ExampleSpec", "Numbers", "Text", "Value"]

_IN_FILES = ConfigDict(strict=False, extra="forbid")
"""How records read these classes: as tables of their fields, with lists for tuples."""


@with_config(_IN_FILES)
@dataclass(frozen=True, slots=True)
class Text:
    """Text, encoded by the experiment's vocabulary. A value is a `str`."""


@with_config(_IN_FILES)
@dataclass(frozen=True, slots=True)
class Numbers:
    """Vectors of real numbers. A value is an array `[size]` for one vector, or `[steps, size]` for a sequence.

    Attributes:
        size: Number of values in one vector.
    """

    size: int


@with_config(_IN_FILES)
@dataclass(frozen=True, slots=True)
class Classes:
    """Classes with names. A value is the index of a class, or an array `[steps]` of indices for a sequence.

    Attributes:
        names: Names of the classes, in order; unique and not empty.
    """

    names: tuple[str, ...]


Value = str | int | NDArray[Any]
"""A `str` for text, an `int` for the index of a class, or an array for numbers and for sequences of classes."""

Draw = Callable[[np.random.Generator], tuple[Value, Value]]
"""A function that draws an input with its target, all of whose randomness comes from the generator."""

InputKind = Literal["vector", "sequence"]
OutputMode = Literal["once", "every step", "sequence"]


@with_config(_IN_FILES)
@dataclass(frozen=True, slots=True)
class ExampleSpec:
    """The shape of every example of a labelled corpus: its input, its target, and when the target is predicted.

    Attributes:
        input: What the model reads.
        input_kind: `vector` for one vector, `sequence` for a sequence of steps. Text is a sequence.
        target: What the model predicts.
        output_mode: When it predicts: `once` after the whole input, on `every step` of the input, or as a new
            `sequence`. Text is a sequence.

    Raises:
        ValueError: If the input, the target and their modes do not fit together.
    """

    input: Text | Numbers
    input_kind: InputKind
    target: Text | Numbers | Classes
    output_mode: OutputMode

    def __post_init__(self) -> None:
        self._check_types()
        if isinstance(self.input, Text) and self.input_kind != "sequence":
            raise ValueError("text is a sequence: set input_kind to 'sequence'")
        if isinstance(self.target, Text) and self.output_mode != "sequence":
            raise ValueError("text is a sequence: set output_mode to 'sequence'")
        if isinstance(self.target, Numbers) and self.output_mode == "sequence":
            raise ValueError("a new sequence consists of text or classes; numbers cannot mark its end")
        if self.input_kind == "vector" and self.output_mode == "every step":
            raise ValueError("a single vector has no steps to predict on")
        if isinstance(self.target, Classes) and (
            len(set(self.target.names)) < max(len(self.target.names), 1) or not all(self.target.names)
        ):
            raise ValueError("the names of the classes must be unique and not empty")
        for part in (self.input, self.target):
            if isinstance(part, Numbers) and part.size < 1:
                raise ValueError("the size must be at least 1")

    def _check_types(self) -> None:
        """Check at run time what a type checker would find."""
        for name, kinds in (("input", (Text, Numbers)), ("target", (Text, Numbers, Classes))):
            part = getattr(self, name)
            if not isinstance(part, kinds):
                known = ", ".join(f"{kind.__name__}(…)" for kind in kinds)
                raise ValueError(f"{name} is {part!r}; it must be one of {known}")
        for name, words in (("input_kind", get_args(InputKind)), ("output_mode", get_args(OutputMode))):
            if getattr(self, name) not in words:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(words)}")
        for part in (self.input, self.target):
            if isinstance(part, Numbers) and type(part.size) is not int:
                raise ValueError(f"the size {part.size!r} is not an integer")
            names: Any = part.names if isinstance(part, Classes) else ()
            if not isinstance(names, tuple):
                raise ValueError(f"the names of the classes are {describe_type(names)}, not a tuple")

    def output_size(self, vocabulary_size: int) -> int:
        """Return the size of one output: the numbers of a vector, or one logit for each class or symbol."""
        match self.target:
            case Text():
                return vocabulary_size
            case Numbers(size):
                return size
            case Classes(names):
                return len(names)

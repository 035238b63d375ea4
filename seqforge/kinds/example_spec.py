"""The shape of labelled examples: input, target, when the target is predicted, and values as arrays."""

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from seqforge.errors import DataError, describe_type
from seqforge.kinds.vocabulary import Vocabulary

__all__ = ["Classes", "ExampleSpec", "Numbers", "Text", "Value"]


@dataclass(frozen=True, slots=True)
class Text:
    """Text, encoded by the experiment's vocabulary. A value is a `str`."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Vectors of real numbers. A value is an array `[size]` for one vector, or `[steps, size]` for a sequence.

    Attributes:
        size: Number of values in one vector.
    """

    size: int


@dataclass(frozen=True, slots=True)
class Classes:
    """Classes with names. A value is the index of a class, or an array `[steps]` of indices for a sequence.

    Attributes:
        names: Names of the classes, in order; unique and not empty.
    """

    names: tuple[str, ...]


Value = str | int | NDArray[Any]
"""A `str` for text, an `int` for the index of a class, or an array for numbers and for sequences of classes."""

InputKind = Literal["vector", "sequence"]
OutputMode = Literal["once", "every step", "sequence"]


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


def encode_input(spec: ExampleSpec, vocabulary: Vocabulary, value: Value) -> NDArray[Any]:
    """Encode the input of an example.

    Returns:
        Tokens `[steps]`, or float32 `[steps, size]`. A single vector has one step.

    Raises:
        DataError: If the value is empty or does not fit the example spec.
    """
    raw = convert_input(spec, value)
    return vocabulary.encode(raw.tobytes()) if isinstance(spec.input, Text) else raw


def convert_input(spec: ExampleSpec, value: Value) -> NDArray[Any]:
    """Convert the input of an example to an array. Text stays in UTF-8, without a vocabulary.

    Returns:
        UTF-8 as uint8 `[bytes]`, or float32 `[steps, size]`. A single vector has one step.

    Raises:
        DataError: If the value is empty or does not fit the example spec.
    """
    match spec.input:
        case Text():
            numbers = _encode_text(value)
        case Numbers(size):
            numbers = _encode_numbers(value, size, many=spec.input_kind == "sequence")
    if not len(numbers):
        raise DataError("an input is empty", hint="An input needs at least one step.")
    return numbers


def convert_target(spec: ExampleSpec, value: Value) -> NDArray[Any]:
    """Convert the target of an example to an array. Text stays in UTF-8, without a vocabulary.

    Returns:
        UTF-8 as uint8 `[bytes]`, class indices `[steps]`, or float32 `[steps, size]`. A target that is predicted once
        has one step.

    Raises:
        DataError: If the value does not fit the example spec.
    """
    match spec.target:
        case Text():
            return _encode_text(value)
        case Numbers(size):
            return _encode_numbers(value, size, many=spec.output_mode != "once")
        case Classes(names):
            return _encode_classes(value, names, many=spec.output_mode != "once")


def decode_target(spec: ExampleSpec, vocabulary: Vocabulary, values: NDArray[Any]) -> Value:
    """Convert the output of a model, or a target of an example file, to the value that it represents.

    `values` are tokens or class indices `[steps]`, or numbers `[steps, size]`.
    """
    if isinstance(spec.target, Text):
        return vocabulary.decode(values.tolist()).decode("utf-8", "replace")
    if spec.output_mode != "once":
        return values
    return int(values[0]) if isinstance(spec.target, Classes) else values[0]


def _encode_text(value: Value) -> NDArray[np.uint8]:
    if not isinstance(value, str):
        raise DataError(f"the value must be a text, not {describe_type(value)}")
    try:
        return np.frombuffer(value.encode("utf-8"), dtype=np.uint8)
    except UnicodeEncodeError as error:
        raise DataError(f"{value[:50]!r} cannot be encoded as UTF-8") from error


def _encode_numbers(value: Value, size: int, *, many: bool) -> NDArray[np.float32]:
    try:
        numbers = np.asarray(value, dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise DataError("the value must consist of numbers") from error
    if not many and numbers.ndim == 1:
        numbers = numbers[None]
    if numbers.ndim != 2 or numbers.shape[1] != size or not (many or len(numbers) == 1):
        expected = f"steps of {size} numbers each" if many else f"{size} numbers"
        raise DataError(f"the value must be {expected}, not an array of shape {list(np.shape(value))}")
    if not np.isfinite(numbers).all():
        raise DataError("a number of the value is infinite or NaN")
    return numbers


def _encode_classes(value: Value, names: tuple[str, ...], *, many: bool) -> NDArray[np.unsignedinteger[Any]]:
    count = len(names)
    indices = np.asarray(value)
    fits = indices.dtype.kind in "iu" or not indices.size
    if indices.ndim != (1 if many else 0) or not fits:
        expected = "class indices" if many else "a class index"
        first_indices = ", ".join(f"{index} for {name!r}" for index, name in enumerate(names[:3]))
        hint = f"Pass the place of the class in `Classes(…)`: {first_indices}."
        raise DataError(f"the value must be {expected}, not {value!r:.50}", hint=hint)
    indices = np.atleast_1d(indices)
    if indices.size and not (int(indices.min()) >= 0 and int(indices.max()) < count):
        raise DataError(f"there are {count} classes, and a class index is not between 0 and {count - 1}")
    return indices.astype(np.min_scalar_type(max(count - 1, 0)))


def to_json_value(spec: ExampleSpec, value: Value) -> Any:
    """Return a target or a prediction as values for JSON.

    Returns:
        A text, a class name, a list of class names, or nested lists of numbers.
    """
    if isinstance(value, str):
        return value
    if isinstance(spec.target, Classes):
        names = spec.target.names
        return names[value] if isinstance(value, int) else [names[index] for index in value]
    return np.asarray(value).tolist()


def to_text(spec: ExampleSpec, value: Value) -> str:
    """Return a target or a prediction as one text.

    Returns:
        Names and numbers separated by spaces, and vectors separated by semicolons.
    """
    converted = to_json_value(spec, value)
    if isinstance(converted, str):
        return converted
    steps = cast("list[Any]", converted)
    if steps and isinstance(steps[0], list):
        return "; ".join(" ".join(map(str, cast("list[Any]", step))) for step in steps)
    return " ".join(map(str, steps))

"""Conversion between the values of examples and the arrays that a model reads and predicts."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from seqforge.errors import DataError, describe_type
from seqforge.kinds.example_spec import Classes, ExampleSpec, Numbers, Text, Value
from seqforge.kinds.vocabulary import Vocabulary


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


def decode_input(spec: ExampleSpec, vocabulary: Vocabulary, values: NDArray[Any]) -> Value:
    """Convert an input of an example file, tokens `[steps]` or numbers `[steps, size]`, to the value of the example."""
    if isinstance(spec.input, Text):
        return vocabulary.decode(values.tolist()).decode("utf-8", "replace")
    return values if spec.input_kind == "sequence" else values[0]


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
    except (ValueError, TypeError, OverflowError) as error:
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
        raise DataError(f"the value must be {expected}, not {indices.tolist()!r:.50}", hint=hint)
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

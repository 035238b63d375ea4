"""Between what a corpus or a person gives and what a model reads and writes."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from seqforge.errors import DataError
from seqforge.interfaces import Classes, ExampleSpec, Numbers, Text, Value, Vocabulary


def encode_input(spec: ExampleSpec, vocabulary: Vocabulary, value: Value) -> NDArray[Any]:
    """Turn what is read into numbers.

    Args:
        spec: What examples are made of.
        vocabulary: Of text.
        value: The input.

    Returns:
        Tokens `[steps]`, or float32 `[steps, size]`; one vector is one step.

    Raises:
        DataError: Where it is not of this form, or empty.
    """
    raw = raw_input(spec, value)
    return vocabulary.encode(raw.tobytes()) if isinstance(spec.input, Text) else raw


def raw_input(spec: ExampleSpec, value: Value) -> NDArray[Any]:
    """Turn what is read into numbers that ask for no vocabulary: a text into its bytes.

    Args:
        spec: What examples are made of.
        value: The input.

    Returns:
        Bytes of UTF-8, uint8 `[bytes]`, or float32 `[steps, size]`; one vector is one step.

    Raises:
        DataError: Where it is not of this form, or empty.
    """
    match spec.input:
        case Text():
            numbers = _bytes_of(value)
        case Numbers(size):
            numbers = _encode_numbers(value, size, many=spec.input_kind == "sequence")
    if not len(numbers):
        raise DataError("an input is empty", hint="Give at least one step to read.")
    return numbers


def raw_target(spec: ExampleSpec, value: Value) -> NDArray[Any]:
    """Turn what is right to write into numbers that ask for no vocabulary.

    Args:
        spec: What examples are made of.
        value: The target.

    Returns:
        Bytes of UTF-8, indices of classes `[steps]`, or float32 `[steps, size]`; what is written once is one step.

    Raises:
        DataError: Where it is not of this form.
    """
    match spec.target:
        case Text():
            return _bytes_of(value)
        case Numbers(size):
            return _encode_numbers(value, size, many=spec.output_mode != "once")
        case Classes(names):
            return _encode_classes(value, len(names), many=spec.output_mode != "once")


def decode_target(spec: ExampleSpec, vocabulary: Vocabulary, values: NDArray[Any]) -> Value:
    """Turn what a model wrote, or an example file holds, into the form's terms.

    Args:
        spec: What examples are made of.
        vocabulary: Of text.
        values: Tokens `[steps]`, or numbers `[steps, size]`.
    """
    if isinstance(spec.target, Text):
        return vocabulary.decode(values.tolist()).decode("utf-8", "replace")
    if spec.output_mode != "once":
        return values
    return int(values[0]) if isinstance(spec.target, Classes) else values[0]


def _bytes_of(value: Value) -> NDArray[np.uint8]:
    if not isinstance(value, str):
        raise DataError(f"a text was wanted, and not {type(value).__name__}")
    try:
        return np.frombuffer(value.encode("utf-8"), dtype=np.uint8)
    except UnicodeEncodeError as error:
        raise DataError(f"{value[:50]!r} is no text in UTF-8") from error


def _encode_numbers(value: Value, size: int, *, many: bool) -> NDArray[np.float32]:
    try:
        numbers = np.asarray(value, dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise DataError("numbers were wanted") from error
    if not many and numbers.ndim == 1:
        numbers = numbers[None]
    if numbers.ndim != 2 or numbers.shape[1] != size or not (many or len(numbers) == 1):
        wanted = f"steps of {size} numbers each" if many else f"{size} numbers"
        raise DataError(f"{wanted} were wanted, and not an array of shape {list(np.shape(value))}")
    if not np.isfinite(numbers).all():
        raise DataError("a number is infinite or not a number")
    return numbers


def _encode_classes(value: Value, count: int, *, many: bool) -> NDArray[np.unsignedinteger[Any]]:
    indices = np.asarray(value)
    fits = indices.dtype.kind in "iu" or not indices.size
    if indices.ndim != (1 if many else 0) or not fits:
        wanted = "indices of classes were" if many else "the index of a class was"
        raise DataError(f"{wanted} wanted, and not {value!r:.50}")
    indices = np.atleast_1d(indices)
    if indices.size and not (int(indices.min()) >= 0 and int(indices.max()) < count):
        raise DataError(f"there are {count} classes, and an index is not from 0 to {count - 1}")
    return indices.astype(np.min_scalar_type(max(count - 1, 0)))


def readable(spec: ExampleSpec, value: Value) -> Any:
    """Turn what was written, in the form's terms, into what a person or another program reads.

    Args:
        spec: What examples are made of.
        value: A target, or an answer.

    Returns:
        Of text, the text; of a class its name, of several a list of names; of numbers, lists of them.
    """
    if isinstance(value, str):
        return value
    if isinstance(spec.target, Classes):
        names = spec.target.names
        return names[value] if isinstance(value, int) else [names[index] for index in value]
    return np.asarray(value).tolist()


def as_text(spec: ExampleSpec, value: Value) -> str:
    """Turn what was written, in the form's terms, into one text.

    Args:
        spec: What examples are made of.
        value: A target, or an answer.

    Returns:
        Names and numbers apart by spaces, steps of several numbers apart by semicolons.
    """
    found = readable(spec, value)
    if isinstance(found, str):
        return found
    steps = cast("list[Any]", found)
    if steps and isinstance(steps[0], list):
        return "; ".join(" ".join(map(str, cast("list[Any]", step))) for step in steps)
    return " ".join(map(str, steps))

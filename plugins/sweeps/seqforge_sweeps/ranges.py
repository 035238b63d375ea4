"""The values that a parameter of a sweep may take: a list of choices, or a range of numbers."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from seqforge.errors import did_you_mean
from seqforge.registry import Problem, format_value, join_key

KINDS = ("range", "log")
"""Keys of a table that is a range."""

MAXIMUM_CHOICES = 1000
MAXIMUM_STEPS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Choices:
    """A list of values, one of which is chosen: numbers, texts, booleans, or tables such as components.

    Attributes:
        values: The values by their text in TOML, which is what Optuna stores.
    """

    values: Mapping[str, Any]

    @property
    def distribution(self) -> BaseDistribution:
        """The distribution of Optuna."""
        return CategoricalDistribution(self.listed())

    @property
    def values_to_check(self) -> list[str]:
        """Values to check before the first trial, as TOML."""
        return list(self.values)

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.values)

    def listed(self) -> list[str | int | float | bool]:
        """Return all values as Optuna stores them."""
        return [_plain(value, text) for text, value in self.values.items()]

    def to_toml(self, chosen: Any) -> str:
        """Return a value that Optuna chose as TOML."""
        return chosen if isinstance(chosen, str) and chosen in self.values else to_toml(chosen)


@dataclass(frozen=True, slots=True)
class Range:
    """A range of integers or of other numbers, both limits included.

    Attributes:
        low: Lower limit.
        high: Upper limit.
        step: Distance between two values, 1 for integers; None for all numbers of the range.
        log: Whether every order of magnitude is equally likely.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def is_integer(self) -> bool:
        """Whether the values are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def distribution(self) -> BaseDistribution:
        """The distribution of Optuna."""
        if self.is_integer:
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return FloatDistribution(float(self.low), float(self.high), log=self.log, step=self.step)

    @property
    def values_to_check(self) -> list[str]:
        """Values to check before the first trial, as TOML."""
        return [to_toml(self.low), to_toml(self.high)]

    @property
    def count(self) -> int | None:
        """Number of values; None for a range without a step."""
        if self.step is None:
            return None
        low, high, step = map(_decimal, (self.low, self.high, self.step))
        return int((high - low) // step) + 1

    def listed(self) -> list[int] | list[float]:
        """Return all values of a range with a step."""
        low, step = _decimal(self.low), _decimal(self.step or 0)
        numbers = [low + index * step for index in range(self.count or 0)]
        return [int(number) for number in numbers] if self.is_integer else [float(number) for number in numbers]

    def to_toml(self, chosen: Any) -> str:
        """Return a value that Optuna chose as TOML."""
        return to_toml(chosen)


Values = Choices | Range


def to_toml(value: Any) -> str:
    """Return a plain value as TOML on one line."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return f"{{ {', '.join(f'{_key(key)} = {to_toml(inner)}' for key, inner in items)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(to_toml, cast('list[Any]', value)))}]"
    # JSON permits the character DEL in a string, and TOML does not.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else to_toml(name)


def _decimal(number: float) -> Decimal:
    """Return the number that a user wrote, so that 3 steps of 0.1 end at 0.3."""
    return Decimal(str(number))


def _plain(value: Any, text: str) -> str | int | float | bool:
    """Return what Optuna stores for a value: the value itself if it can, or its text."""
    return value if isinstance(value, int | float) else text


def parse_parameters(table: Any, key: str = "parameters") -> tuple[dict[str, Values], list[Problem]]:
    """Read the table of parameters of a sweep file.

    Args:
        table: The table. Dotted keys are tables inside it.
        key: Key of the table, for messages.

    Returns:
        The values of each parameter by its key in the experiment, and every problem.
    """
    if not isinstance(table, Mapping) or not table:
        hint = "For example: optimizer.learning_rate = { log = [1e-4, 1e-1] }"
        return {}, [Problem(key, "must be a table with at least one parameter", hint)]
    parsed: dict[str, Values] = {}
    problems: list[Problem] = []
    for name, value in _leaves(cast("Mapping[str, Any]", table), ""):
        values = _parse(value, join_key(key, name))
        if isinstance(values, Problem):
            problems.append(values)
        else:
            parsed[name] = values
    return parsed, problems


def _leaves(table: Mapping[str, Any], key: str) -> Iterator[tuple[str, Any]]:
    """Yield every value that is not a table of further parameters, with its dotted key."""
    for name, value in table.items():
        is_range = isinstance(value, Mapping) and any(kind in value for kind in (*KINDS, "step"))
        if isinstance(value, Mapping) and value and not is_range:
            yield from _leaves(cast("Mapping[str, Any]", value), join_key(key, name))
        else:
            yield join_key(key, name), value


def _parse(value: Any, key: str) -> Values | Problem:
    if isinstance(value, list):
        return _parse_choices(cast("list[Any]", value), key)
    if isinstance(value, Mapping):
        return _parse_range(cast("Mapping[str, Any]", value), key)
    return Problem(
        key, f"must be a list of values or a range, not {format_value(value)}", f"Write [{to_toml(value)}, …]."
    )


def _parse_choices(values: Sequence[Any], key: str) -> Values | Problem:
    if not values:
        return Problem(key, "the list of values is empty")
    if len(values) > MAXIMUM_CHOICES:
        return Problem(key, f"has {len(values)} values, more than {MAXIMUM_CHOICES}", "Write a range.")
    try:
        texts = [to_toml(value) for value in values]
    except TypeError as error:
        return Problem(key, f"cannot hold such a value: {error}")
    for index, value in enumerate(values):
        if value in values[:index]:  # also 1 and 1.0, which Optuna cannot tell apart
            return Problem(key, f"the value {texts[index]} is repeated")
    return Choices(dict(zip(texts, values, strict=True)))


def _parse_range(table: Mapping[str, Any], key: str) -> Values | Problem:
    known = [*KINDS, "step"]
    for name in table:
        if name not in known:
            return Problem(join_key(key, name), "a range has no such key", did_you_mean(name, known))
    kinds = [kind for kind in KINDS if kind in table]
    if len(kinds) != 1:
        return Problem(key, "must have either range or log", "For example: { range = [0.0, 0.5] }")
    limits = table[kinds[0]]
    numbers = cast("list[Any]", limits) if isinstance(limits, list) else []
    if len(numbers) != 2 or not all(map(_is_number, numbers)):
        return Problem(join_key(key, kinds[0]), f"must be two numbers, not {format_value(limits)}")
    low, high = numbers
    if low >= high:
        return Problem(
            join_key(key, kinds[0]), f"the range from {low} to {high} is empty", "The lower limit comes first."
        )
    if kinds == ["log"] and low <= 0:
        return Problem(join_key(key, "log"), f"the lower limit {low} must be greater than 0")
    step = table.get("step")
    if step is not None and (kinds == ["log"] or not _is_number(step) or not 0 < step <= high - low):
        return Problem(join_key(key, "step"), "must be a positive number in a range that is not logarithmic")
    if isinstance(step, float) and isinstance(low, int) and isinstance(high, int):
        return Problem(join_key(key, "step"), "must be an integer, as the limits are")
    if step is not None and (high - low) / step > MAXIMUM_STEPS:
        return Problem(join_key(key, "step"), f"is too small: the range has more than {MAXIMUM_STEPS:,} steps")
    if step is None and isinstance(low, int) and isinstance(high, int):
        step = 1
    return Range(low, high if step is None else _last_value(low, high, step), step, kinds == ["log"])


def _last_value(low: float, high: float, step: float) -> float:
    """Return the largest value of a range with a step, which may be below its upper limit.

    Optuna counts the steps in decimal numbers, too, and would warn in each trial that a limit is not a value.
    """
    first, distance = _decimal(low), _decimal(step)
    last = first + (_decimal(high) - first) // distance * distance
    return int(last) if isinstance(low, int) and isinstance(high, int) else float(last)


def _is_number(value: Any) -> bool:
    # Databases store integers of 64 bits.
    return not isinstance(value, bool) and (
        (isinstance(value, float) and math.isfinite(value)) or (isinstance(value, int) and abs(value) < 2**63)
    )

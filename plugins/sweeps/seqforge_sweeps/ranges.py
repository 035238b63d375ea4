"""The values that a parameter of a sweep may take: a list of choices, or a range of numbers."""

import json
import re
import warnings
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, cast

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, Strict, StrictInt, model_validator

from seqforge.registry import format_value

MAXIMUM_CHOICES = 1000
MAXIMUM_STEPS = 1_000_000_000

# Databases store integers of 64 bits.
Number = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | Annotated[FiniteFloat, Strict()]
Limits = Annotated[list[Number], Field(min_length=2, max_length=2)]


class Values(BaseModel):
    """The values of a parameter. In a sweep file, a list is written without the key `choices`.

    Attributes:
        choices: Values, one of which is chosen: numbers, texts, booleans, or tables such as components.
        range: Lower and upper limit of a range, both included.
        log: The same, if every order of magnitude is equally likely.
        step: Distance between two values of a range, 1 for integers; None for all numbers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    choices: list[Any] | None = None
    range: Limits | None = None
    log: Limits | None = None
    step: Annotated[Number, Field(gt=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_list(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {"choices": cast("Any", value)}
        if not isinstance(value, Mapping):
            shown = format_value(value)
            raise ValueError(f"must be a list of values or a range, not {shown}. Write [{shown}, …].")
        return cast("Any", value)

    @model_validator(mode="after")
    def _check(self) -> "Values":
        if self.choices is not None:
            _check_choices(self.choices)
            return self
        if (self.range is None) == (self.log is None):
            raise ValueError("must have either range or log, such as { range = [0.0, 0.5] }")
        low, high = cast("Limits", self.range or self.log)
        if self.step is not None and (high - low) / self.step > MAXIMUM_STEPS:
            raise ValueError(f"the step is too small: the range has more than {MAXIMUM_STEPS:,} steps")
        # Optuna raises a ValueError for limits that do not fit together.
        if self.distribution.single():
            raise ValueError("the range has one value. The upper limit is the lower limit plus the step, or larger.")
        return self

    @cached_property
    def distribution(self) -> BaseDistribution:
        """The distribution of Optuna."""
        if self.choices is not None:
            # Optuna stores numbers, and any other value as its text in TOML.
            return CategoricalDistribution(
                [choice if isinstance(choice, int | float) else to_toml(choice) for choice in self.choices]
            )
        low, high = cast("Limits", self.range or self.log)
        is_integer = all(isinstance(number, int) for number in (low, high, self.step or 1))
        with warnings.catch_warnings(category=UserWarning, action="ignore"):
            # Optuna lowers an upper limit that is not a value, and warns.
            if is_integer:
                return IntDistribution(int(low), int(high), log=self.log is not None, step=int(self.step or 1))
            return FloatDistribution(low, high, log=self.log is not None, step=self.step)

    @property
    def count(self) -> int | None:
        """Number of values; None for a range without a step."""
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                return len(choices)
            case IntDistribution(low=low, high=high, step=step):
                return (high - low) // step + 1
            case FloatDistribution(low=low, high=high, step=float(step)):
                return int((_decimal(high) - _decimal(low)) / _decimal(step)) + 1
            case _:
                return None

    def listed(self) -> list[Any]:
        """Return all values of a list or of a range with a step, as Optuna stores them."""
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                return [*choices]
            case IntDistribution(low=low, step=step):
                return [low + index * step for index in range(self.count or 0)]
            case distribution:
                low, step = (_decimal(getattr(distribution, name)) for name in ("low", "step"))
                return [float(low + index * step) for index in range(self.count or 0)]

    @property
    def values_to_check(self) -> list[str]:
        """Values to check before the first trial, as TOML: every choice, or both limits."""
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                return [stored_to_toml(choice) for choice in choices]
            case distribution:
                return [to_toml(getattr(distribution, name)) for name in ("low", "high")]


def _check_choices(choices: list[Any]) -> None:
    if not choices:
        raise ValueError("the list of values is empty")
    if len(choices) > MAXIMUM_CHOICES:
        raise ValueError(f"has {len(choices)} values, more than {MAXIMUM_CHOICES}. Write a range.")
    for index, choice in enumerate(choices):
        try:
            text = to_toml(choice)
        except TypeError as error:
            raise ValueError(f"cannot hold such a value: {error}") from error
        if choice in choices[:index]:  # also 1 and 1.0, which Optuna cannot tell apart
            raise ValueError(f"the value {text} is repeated")


def _decimal(number: float) -> Decimal:
    """Return the number that a user wrote, so that 3 steps of 0.1 end at 0.3."""
    return Decimal(str(number))


def stored_to_toml(value: Any) -> str:
    """Return a value that Optuna stores as TOML. A text is TOML already."""
    return value if isinstance(value, str) else to_toml(value)


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

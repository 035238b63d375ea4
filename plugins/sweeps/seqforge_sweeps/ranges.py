"""The values that a parameter of a sweep may take: a list of choices, or a range of numbers."""

import json
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, cast

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, Strict, StrictInt, model_validator

from seqforge.registry import format_value

MAXIMUM_CHOICES = 1000

Integer = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
"""An integer of 64 bits, as databases store it."""

Number = Integer | Annotated[FiniteFloat, Strict()]
Limits = Annotated[list[Number], Field(min_length=2, max_length=2)]


class Values(BaseModel):
    """The values of a parameter. In a sweep file, a list is written without the key `choices`.

    Attributes:
        choices: Values, one of which is chosen: numbers, texts, booleans, or tables such as components.
        range: Lower and upper limit of a range, both included.
        log: The same, if every order of magnitude is equally likely.
        step: Distance between two values of a range of integers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    choices: list[Any] | None = None
    range: Limits | None = None
    log: Limits | None = None
    step: Annotated[Integer, Field(gt=0)] | None = None

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
        if self.step is not None and not self._has_integers:
            raise ValueError("a step needs a range of integers. Write other values as a list, such as [0.0, 0.2, 0.4].")
        # Optuna raises a ValueError for limits that do not fit together.
        if self.distribution.single():
            raise ValueError("the range has one value. The upper limit is the lower limit plus the step, or larger.")
        return self

    @property
    def _has_integers(self) -> bool:
        return all(isinstance(number, int) for number in self.range or self.log or ())

    @cached_property
    def distribution(self) -> BaseDistribution:
        """The distribution of Optuna."""
        if self.choices is not None:
            return CategoricalDistribution(list(map(store, self.choices)))
        low, high = cast("Limits", self.range or self.log)
        with warnings.catch_warnings(category=UserWarning, action="ignore"):
            # Optuna lowers an upper limit that is not a value, and warns.
            if self._has_integers:
                return IntDistribution(int(low), int(high), log=self.log is not None, step=self.step or 1)
            return FloatDistribution(low, high, log=self.log is not None)

    @property
    def count(self) -> int | None:
        """Number of values; None for a range of numbers that need not be integers."""
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                return len(choices)
            case IntDistribution(low=low, high=high, step=step):
                return (high - low) // step + 1
            case _:
                return None

    def listed(self) -> Sequence[Any]:
        """Return all values of a list or of a range of integers, as Optuna stores them."""
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                return choices
            case IntDistribution(low=low, high=high, step=step):
                return range(low, high + 1, step)
            case _:
                raise AssertionError

    @property
    def values_to_check(self) -> Sequence[Any]:
        """Values to check before the first trial, as Optuna stores them: every choice, or both limits."""
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                return choices
            case distribution:
                return [getattr(distribution, name) for name in ("low", "high")]


def _check_choices(choices: list[Any]) -> None:
    if not choices:
        raise ValueError("the list of values is empty")
    if len(choices) > MAXIMUM_CHOICES:
        raise ValueError(f"has {len(choices)} values, more than {MAXIMUM_CHOICES}. Write a range.")
    for index, choice in enumerate(choices):
        try:
            text = json.dumps(choice)
        except TypeError as error:
            raise ValueError(f"cannot hold such a value: {error}") from error
        if choice in choices[:index]:  # also 1 and 1.0, which Optuna cannot tell apart
            raise ValueError(f"the value {text} is repeated")


def store(value: Any) -> int | float | str:
    """Return a value as Optuna stores it: a number, or another value as JSON."""
    return value if isinstance(value, int | float) else json.dumps(value, ensure_ascii=False)


def restore(stored: Any) -> Any:
    """Return the value that `store` has converted."""
    return json.loads(stored) if isinstance(stored, str) else stored

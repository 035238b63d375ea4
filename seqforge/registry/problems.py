"""What is wrong with an experiment: each problem with its key, so that all can be told at once."""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from seqforge.errors import did_you_mean


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        key: The dotted key in the experiment file.
        message: What is wrong with it.
        hint: What to do about it.
    """

    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" + (f". {self.hint}" if self.hint else "")


def join(*parts: str | int) -> str:
    """Join parts of a key by dots, leaving out empty ones.

    Args:
        parts: Names and indices.
    """
    return ".".join(str(part) for part in parts if part != "")


def unknown_key(key: str, name: str, known: list[str], owner: str) -> Problem:
    """Describe a key that nobody asked for.

    Args:
        key: The whole key.
        name: Its last part, as written.
        known: The names that would have been right.
        owner: Who owns the table, such as `essentials/lstm`.
    """
    hint = did_you_mean(name, known) if known else f"{owner} takes no options."
    return Problem(key, f"{owner} has no option {name!r}", hint)


def from_validation(error: ValidationError, key: str, known: list[str], owner: str) -> list[Problem]:
    """Translate pydantic's errors.

    Args:
        error: What pydantic raised.
        key: The key of the table that was validated.
        known: The table's options.
        owner: Who owns the table.

    Returns:
        One problem for each place.
    """
    problems: dict[str, Problem] = {}
    for detail in error.errors(include_url=False):
        location = [part for part in detail["loc"] if not _is_branch(part)]
        place = join(key, *location)
        if detail["type"] == "extra_forbidden":
            problem = unknown_key(place, str(location[-1]), known, owner)
        elif detail["type"] == "missing":
            problem = Problem(place, f"{owner} needs this option")
        else:
            problem = Problem(place, f"{_lowered(detail['msg'])}, not {_shown(detail['input'])}")
        # Of a union's branches, the first that failed speaks for all.
        problems.setdefault(place, problem)
    return list(problems.values())


def _is_branch(part: str | int) -> bool:
    """Tell pydantic's names of union branches (`constrained-int`, `function-after[…]`) from keys."""
    return isinstance(part, str) and any(mark in part for mark in "[-(")


def _lowered(message: str) -> str:
    return message.removeprefix("Input ").removeprefix("Value error, ")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

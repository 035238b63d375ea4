"""Problems in an experiment, each with its key: raised in a validator of pydantic, and made from its errors."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, cast

from seqforge.errors import did_you_mean, nearest

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem in an experiment.

    Attributes:
        key: Dotted key in the experiment file, such as `model.cells.0.hidden_size`.
        message: Description of the problem.
        hint: How to solve it. `{key}` stands for the key.
        unknown: Name of the key, if its table has no such key; otherwise empty.
        similar: Whether its table has a key that is like the unknown one, which the hint then names.
    """

    key: str
    message: str
    hint: str = ""
    unknown: str = ""
    similar: bool = False

    def __str__(self) -> str:
        """Return the key, the message and the hint in one line."""
        return f"{self.key}: {self.message}" + (f". {self.hint.replace('{key}', self.key)}" if self.hint else "")


def join_key(*parts: str | int) -> str:
    """Join the parts of a key with dots. Empty parts are left out."""
    return ".".join(str(part) for part in parts if part != "")


def format_value(value: Any) -> str:
    """Format a value for a message: as in TOML, and shortened to 60 characters."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


Hints = Mapping[str, str]
"""A hint by the name of the option that is missing."""


def raise_problems(problems: Iterable[Problem]) -> NoReturn:
    """Raise problems in a validator of pydantic. Their keys are relative to the value that it validates.

    Raises:
        ValidationError: Always. Pydantic collects it, with those of other tables.
    """
    # The help of the command line starts without pydantic.
    from pydantic import ValidationError
    from pydantic_core import InitErrorDetails, PydanticCustomError

    details = [
        InitErrorDetails(
            type=PydanticCustomError("problem", "{message}", {"message": problem.message, "problem": problem}),
            loc=(problem.key,) if problem.key else (),
            input=None,
        )
        for problem in problems
    ]
    raise ValidationError.from_exception_data("experiment", details)


def from_validation(
    error: "ValidationError",
    table: Mapping[str, Any],
    key: str,
    known: list[str],
    owner: str,
    hints: Hints = MappingProxyType({}),
) -> list[Problem]:
    """Convert the errors of pydantic in a table with a key to problems, one for each key in it.

    The table may have the known keys, and its owner is a component or such as `[training]`. The hints say how to write
    an option that is missing, or that is no list.
    """
    by_key: dict[str, list[ErrorDetails]] = {}
    problems: list[Problem] = []
    for detail in error.errors(include_url=False):
        place = join_key(key, *_path(detail, table))
        if detail["type"] == "problem":
            problems.append(replace(detail.get("ctx", {})["problem"], key=place))
        else:
            by_key.setdefault(place, []).append(detail)
    return problems + [_problem(place, details, known, owner, hints) for place, details in by_key.items()]


def _path(detail: "ErrorDetails", table: Mapping[str, Any]) -> list[str | int]:
    """Return the keys and indices in the location of a pydantic error, without the branches of unions."""
    location = detail["loc"]
    path: list[str | int] = []
    value: Any = table
    for depth, part in enumerate(location):
        if isinstance(value, dict) and part in value:
            value = cast("dict[str | int, Any]", value)[part]
        elif isinstance(value, list) and isinstance(part, int):
            value = cast("list[Any]", value)[part]
        elif isinstance(value, str) and isinstance(part, int):
            continue  # a text that stands for a list of it
        elif depth and not (depth == len(location) - 1 and detail["type"] in ("missing", "problem")):
            continue
        path.append(part)
    return path


def _problem(place: str, details: "list[ErrorDetails]", known: list[str], owner: str, hints: Hints) -> Problem:
    first = details[0]
    kind, value, name = first["type"], first["input"], str(first["loc"][-1]) if first["loc"] else ""
    noun = "option" if owner != "an experiment" else "table"
    if kind == "extra_forbidden":
        command = f"plugins show {owner}" if "/" in owner else "schema"
        hint = did_you_mean(name, known, f"`seqforge {command}` shows all.") if known else f"{owner} takes no options."
        return Problem(place, f"{owner} has no {noun} {name!r}", hint, name, nearest(name, known) is not None)
    if kind == "missing":
        return Problem(place, f"{owner} needs this {noun}", hints.get(name, ""))
    if kind == "value_error":
        return Problem(place, first["msg"].removeprefix("Value error, "))
    # Several errors at one key are the branches of a union: "should be 'auto' or be greater than 0".
    wanted, *others = [_wanted(detail["msg"]) for detail in details]
    message = (
        f"{' or '.join([wanted, *(other.removeprefix('should ') for other in others)])}, not {format_value(value)}"
    )
    is_number = isinstance(value, str) and _NUMBER.fullmatch(value)
    if is_number and any(detail["type"] in {"int_type", "float_type"} for detail in details):
        return Problem(place, message, "Write a number without quotation marks.")
    choices = re.findall(r"'([^']*)'", first.get("ctx", {}).get("expected", ""))
    if isinstance(value, str) and (meant := nearest(value, choices)):
        return Problem(place, message, f"Did you mean {meant!r}?")
    return Problem(place, message, hints.get(name, "") if kind == "list_type" else "")


_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", re.IGNORECASE)


def _wanted(message: str) -> str:
    """Shorten "List should have at least 1 item after validation, not 0" to "should have at least 1 item"."""
    wanted = re.sub(r"^\w+ (?=should )| after validation, not \d+$", "", message)
    for term, replacement in _TERMS.items():
        wanted = wanted.replace(term, replacement)
    return wanted


_TERMS = {
    "an object": "a table",
    "a valid dictionary": "a table",
    "a valid array": "a list",
    "a valid list": "a list",
    "a valid boolean": "true or false",
}
"""Terms of TOML for those of pydantic."""

"""Problems in an experiment, each with its key."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

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
        hint: How to solve it in an experiment file or on the command line.
        python_hint: How to solve it in Python, if that is written differently; otherwise empty.
        unknown: Name of the key, if its table has no such key; otherwise empty.
    """

    key: str
    message: str
    hint: str = ""
    python_hint: str = ""
    unknown: str = ""

    def __str__(self) -> str:
        return self.describe()

    def describe(self, *, in_python: bool = False) -> str:
        """Return the key, the message and the hint in one line, with the hint for Python if the user writes Python."""
        hint = (self.python_hint if in_python else "") or self.hint
        return f"{self.key}: {self.message}" + (f". {hint}" if hint else "")


def join_key(*parts: str | int) -> str:
    """Join the parts of a key with dots. Empty parts are left out."""
    return ".".join(str(part) for part in parts if part != "")


def unknown_key(key: str, name: str, known: list[str], owner: str) -> Problem:
    """Return the problem of an unknown key, with the nearest known one."""
    command = f"plugins show {owner}" if "/" in owner else "schema"
    hint = did_you_mean(name, known, f"`seqforge {command}` shows all.") if known else f"{owner} takes no options."
    return Problem(key, f"{owner} has no option {name!r}", hint, unknown=name)


def from_validation(
    error: "ValidationError",
    table: Mapping[str, Any],
    key: str,
    known: list[str],
    owner: str,
    examples: Mapping[str, Any] = MappingProxyType({}),
) -> list[Problem]:
    """Convert the errors of pydantic to one problem for each key.

    Args:
        error: Errors of pydantic.
        table: The table that was validated.
        key: Key of the table.
        known: Keys that the table may have.
        owner: Owner of the table, such as a component or `[training]`.
        examples: Examples of values of some keys.
    """
    by_key: dict[str, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        by_key.setdefault(join_key(key, *_path(detail, table)), []).append(detail)
    return [_problem(place, details, known, owner, examples) for place, details in by_key.items()]


def format_value(value: Any) -> str:
    """Format a value for a message: as in TOML, and shortened to 60 characters."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _path(detail: "ErrorDetails", table: Mapping[str, Any]) -> list[str | int]:
    """Return the keys and indices in the location of a pydantic error, without the branches of unions."""
    path: list[str | int] = []
    value: Any = table
    for part in detail["loc"]:
        if isinstance(value, dict) and part in value:
            value = cast("dict[str | int, Any]", value)[part]
        elif isinstance(value, list) and isinstance(part, int):
            value = cast("list[Any]", value)[part]
        else:
            continue
        path.append(part)
    return [*path, detail["loc"][-1]] if detail["type"] == "missing" else path


def _problem(
    place: str, details: "list[ErrorDetails]", known: list[str], owner: str, examples: Mapping[str, Any]
) -> Problem:
    first = details[0]
    if first["type"] == "extra_forbidden":
        return unknown_key(place, str(first["loc"][-1]), known, owner)
    if first["type"] == "missing":
        name = str(first["loc"][-1])
        hints = _examples(place, name, examples[name]) if name in examples else ()
        return Problem(place, f"{owner} needs this option", *hints)
    if first["type"] == "value_error":
        return Problem(place, first["msg"].removeprefix("Value error, "))
    # Several errors at one key are the branches of a union: "should be 'auto' or be greater than 0".
    wanted, *others = [_wanted(detail["msg"]) for detail in details]
    wanted = " or ".join([wanted, *(other.removeprefix("should ") for other in others)])
    choices = re.findall(r"'([^']*)'", first.get("ctx", {}).get("expected", ""))
    meant = nearest(first["input"], choices) if isinstance(first["input"], str) else None
    hint = f"Did you mean {meant!r}?" if meant else ""
    if any(detail["type"] in {"int_type", "float_type"} for detail in details) and _is_number(first["input"]):
        hint = "Write a number without quotation marks."
    return Problem(place, f"{wanted}, not {format_value(first['input'])}", hint)


def _is_number(text: object) -> bool:
    return (
        isinstance(text, str)
        and re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", text, re.IGNORECASE) is not None
    )


def _examples(place: str, name: str, example: Any) -> tuple[str, str]:
    """Return a hint with an example of an option in a file and on the command line, and one in Python."""
    value = json.dumps(example, ensure_ascii=False)
    assignment = shlex.quote(f"{place}={example if isinstance(example, str) else value}")
    return f"For example, write {name} = {value}, or add --set {assignment}.", f"For example: {name}={example!r}."


def _wanted(message: str) -> str:
    """Shorten "List should have at least 1 item after validation, not 0" to "should have at least 1 item"."""
    wanted = re.sub(r"^\w+ (?=should )| after validation, not \d+$", "", message)
    return (
        wanted.replace("an object", "a table")
        .replace("a valid array", "a list")
        .replace("a valid boolean", "true or false")
    )

"""Error messages: problems in an experiment, each with its key, and errors in the code of a plugin."""

import re
import traceback
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from seqforge.errors import PluginError, SeqforgeError, did_you_mean, is_out_of_memory, nearest
from seqforge.registry.register import SESSION


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem in an experiment.

    Attributes:
        key: Dotted key in the experiment file, such as `model.cells.0.hidden_size`.
        message: Description of the problem.
        hint: How to solve it.
    """

    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" + (f". {self.hint}" if self.hint else "")


def join(*parts: str | int) -> str:
    """Join the parts of a key with dots. Empty parts are left out."""
    return ".".join(str(part) for part in parts if part != "")


def unknown_key(key: str, name: str, known: list[str], owner: str) -> Problem:
    """Return the problem of an unknown key, with the nearest known one."""
    hint = did_you_mean(name, known) if known else f"{owner} takes no options."
    return Problem(key, f"{owner} has no option {name!r}", hint)


def from_validation(
    error: ValidationError, table: Mapping[str, Any], key: str, known: list[str], owner: str
) -> list[Problem]:
    """Convert the errors of pydantic to one problem for each key.

    Args:
        error: Errors of pydantic.
        table: The table that was validated.
        key: Key of the table.
        known: Keys that the table may have.
        owner: Owner of the table, such as a component or `[training]`.
    """
    by_key: dict[str, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        by_key.setdefault(join(key, *_path(detail, table)), []).append(detail)
    return [_problem(place, details, known, owner) for place, details in by_key.items()]


def format_value(value: Any) -> str:
    """Format a value for a message: as in TOML, and shortened to 60 characters."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _path(detail: ErrorDetails, table: Mapping[str, Any]) -> list[str | int]:
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


def _problem(place: str, details: list[ErrorDetails], known: list[str], owner: str) -> Problem:
    first = details[0]
    if first["type"] == "extra_forbidden":
        return unknown_key(place, str(first["loc"][-1]), known, owner)
    if first["type"] == "missing":
        return Problem(place, f"{owner} needs this option")
    if first["type"] == "value_error":
        return Problem(place, first["msg"].removeprefix("Value error, "))
    # Several errors at one key are the branches of a union: "should be 'auto' or be greater than 0".
    wanted, *others = [_wanted(detail["msg"]) for detail in details]
    wanted = " or ".join([wanted, *(other.removeprefix("should ") for other in others)])
    choices = re.findall(r"'([^']*)'", first.get("ctx", {}).get("expected", ""))
    meant = nearest(first["input"], choices) if isinstance(first["input"], str) else None
    return Problem(place, f"{wanted}, not {format_value(first['input'])}", f"Did you mean {meant!r}?" if meant else "")


def _wanted(message: str) -> str:
    """Shorten "List should have at least 1 item after validation, not 0" to "should have at least 1 item"."""
    wanted = re.sub(r"^\w+ (?=should )| after validation, not \d+$", "", message)
    return wanted.replace("an object", "a table").replace("a valid array", "a list")


def describe_error(error: BaseException, component: type[object]) -> str:
    """Describe an error, with the last line of its traceback that is in the package of the component."""
    package = component.__module__.partition(".")[0]
    own = [
        f" ({Path(frame.f_code.co_filename).name}, line {line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").partition(".")[0] == package
    ]
    return f"{type(error).__name__}: {error}{own[-1] if own else ''}"


def plugin_fault(kind: str, name: str, reason: str) -> PluginError:
    """Return the error for a fault in the code of a component."""
    return PluginError(f"{kind} {name!r}: {reason}", hint=author_hint(name))


def author_hint(name: str) -> str:
    """Return a hint that names who has to correct a component."""
    owner, _, class_name = name.partition("/")
    if owner == SESSION:
        return f"Correct the class {class_name}."
    return f"Report this to the author of the plugin {owner!r}."


@contextmanager
def blame_plugin(kind: str, name: str, component: type[object], failure: str) -> Generator[None]:
    """Convert an unexpected error inside the block to an error that names the component.

    Args:
        kind: Kind of component.
        name: Qualified name of the component.
        component: Class of the component.
        failure: What fails, such as "it cannot be built".

    Raises:
        PluginError: If the block raises anything but a `SeqforgeError` or an out-of-memory error.
    """
    try:
        yield
    except SeqforgeError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise plugin_fault(kind, name, f"{failure}: {describe_error(error, component)}") from error

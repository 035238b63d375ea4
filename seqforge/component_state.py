"""The state of a component, as a file can hold it: a table of plain JSON values."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from seqforge.faults import wrong_result

LARGEST_NUMBER = 2**53
"""Largest magnitude of a number in the state of a component. A float represents all whole numbers up to it."""


def checked_state(method: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the state of a component from its method `state`.

    Raises:
        PluginError: If it is not a table of plain JSON values with numbers that a file can hold.
    """
    state: Any = method()
    shown = f"returned {state!r:.60}"
    with suppress(TypeError, ValueError, RecursionError):
        if isinstance(state, dict) and json.dumps(state):
            try:
                return check_numbers(cast("dict[str, Any]", state))
            except ValueError as error:
                raise wrong_result(method, f"{shown}, but a file cannot hold it: {error}") from error
    raise wrong_result(method, f"{shown}, not a table of plain JSON values")


def check_numbers(values: dict[str, Any]) -> dict[str, Any]:
    """Return JSON values unchanged, after checking that every number is finite and small enough to compute with.

    Raises:
        ValueError: If a number is not.
    """
    left: list[Any] = [values]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left.extend(cast("dict[str, Any]", value).values())
        elif isinstance(value, list | tuple):
            left.extend(cast("list[Any]", value))
        elif isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:
            raise ValueError(f"a number is infinite, not a number, or larger than {LARGEST_NUMBER:,}")
    return values

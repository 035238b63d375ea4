"""Checks of shapes and types in the first calls of a test. Checks of all calls would take a third of its time."""

from collections.abc import Callable
from typing import Any

import jaxtyping
from beartype import beartype

CALLS = 5_000
"""Checks in a test. A small run trains and evaluates several times within them."""

_remaining = CALLS


def begin_checks() -> None:
    """Check again, as at the beginning of a test."""
    global _remaining
    _remaining = CALLS
    jaxtyping.config.update("jaxtyping_disable", False)


def check_first_calls(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check a function with beartype until a test has made its calls. jaxtyping then calls the function only."""
    checked: Callable[..., Any] | None = None

    def check(*arguments: Any, **named: Any) -> Any:
        global _remaining
        nonlocal checked
        # Functions that a function makes at each of its calls are only prepared if they are called.
        checked = checked or beartype(function)
        _remaining -= 1
        if not _remaining:
            jaxtyping.config.update("jaxtyping_disable", True)
        return checked(*arguments, **named)

    return check

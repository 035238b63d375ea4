"""Checks of shapes and types in the first calls of a test, and of each function. To check all takes far longer."""

import dataclasses
import inspect
from collections.abc import Callable
from functools import partial, wraps
from types import CodeType, FunctionType
from typing import Any

import jaxtyping

CALLS = 5_000
"""Checked calls in a test. A small run trains and evaluates several times within them."""

LATER_CALLS = 20
"""Checked calls of each function after them."""


@dataclasses.dataclass(slots=True)
class _Checks:
    """A number of calls that are still checked."""

    remaining: int


_first = _Checks(CALLS)
_later: dict[CodeType, _Checks] = {}
"""The later checks of each function. Functions that a function makes share them."""


def begin_checks(calls: int = CALLS, later_calls: int = LATER_CALLS) -> None:
    """Check the following calls, and later ones of each function."""
    _first.remaining = calls
    for checks in _later.values():
        checks.remaining = later_calls


def install_import_hook(modules: list[str]) -> None:
    """Check the functions and dataclasses of modules that are imported later with jaxtyping and beartype."""
    check_all = jaxtyping.jaxtyped
    # The hook of jaxtyping decorates them with this function.
    jaxtyping.jaxtyped = lambda *, typechecker: partial(_decorate, check=partial(check_all, typechecker=typechecker))
    jaxtyping.install_import_hook(modules, "beartype.beartype")


def _decorate(checkable: Any, check: Callable[[Any], Any]) -> Any:
    if not inspect.isclass(checkable):
        return _check_first_calls(checkable, check)
    if dataclasses.is_dataclass(checkable) and "__init__" in vars(checkable):
        checkable.__init__ = _check_first_calls(checkable.__init__, check)
    return checkable


def _check_first_calls(function: Callable[..., Any], check: Callable[[Any], Any]) -> Callable[..., Any]:
    # A function that is made while nothing is checked is not checked either.
    first, later = _first, _later.setdefault(function.__code__, _Checks(LATER_CALLS if _first.remaining else 0))
    checked: Callable[..., Any] | None = None

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal checked
        checks = first if first.remaining else later
        if not checks.remaining:
            return function(*arguments, **named)
        checks.remaining -= 1
        checked = checked or check(function)
        return checked(*arguments, **named)

    # Messages name the line of an author of plugins. They know that the functions of jaxtyping are none of theirs.
    code = call.__code__.replace(co_filename=jaxtyping.__file__)
    return wraps(function)(FunctionType(code, vars(jaxtyping), closure=call.__closure__))

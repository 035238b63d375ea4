"""Checks of shapes and types in the first calls of each function in a test. To check all calls takes far longer."""

import dataclasses
import inspect
from collections.abc import Callable
from functools import partial, wraps
from types import CodeType, FunctionType
from typing import Any

import jaxtyping

CALLS = 20
"""Checked calls of each function in a test. With ten times as many, all tests take a tenth longer."""


@dataclasses.dataclass(slots=True)
class _Checks:
    """The number of calls that are still checked."""

    remaining: int


_calls = CALLS
_checks: dict[CodeType, _Checks] = {}
"""The checks of each function. Functions that a function makes share them."""


def begin_checks(calls: int = CALLS) -> None:
    """Check the following calls of each function."""
    global _calls
    _calls = calls
    for checks in _checks.values():
        checks.remaining = calls


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
    checks = _checks.setdefault(function.__code__, _Checks(_calls))
    checked: Callable[..., Any] | None = None

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal checked
        if not checks.remaining:
            return function(*arguments, **named)
        checks.remaining -= 1
        checked = checked or check(function)
        return checked(*arguments, **named)

    # Messages name the line of an author of plugins. They know that the functions of jaxtyping are none of theirs.
    code = call.__code__.replace(co_filename=jaxtyping.__file__)
    return wraps(function)(FunctionType(code, vars(jaxtyping), closure=call.__closure__))

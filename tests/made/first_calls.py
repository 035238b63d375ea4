"""Checks of types in every call, and of shapes in the first calls of a test and of each function.

Of a function that another one makes, the types are checked in its first calls, too.

To check all shapes takes far longer: 22 microseconds for a call with three of them, which beartype's check of the types
does in 0.2 microseconds.
"""

import dataclasses
import inspect
import math
from collections.abc import Callable
from functools import partial, wraps
from types import CodeType, FunctionType
from typing import Any

import jaxtyping

CALLS = 1_000
"""Calls with shapes that are checked in a test."""

LATER_CALLS = 20
"""Checked calls of each such function after them, and of each function that another one makes."""


@dataclasses.dataclass(slots=True)
class _Checks:
    """A number of calls that are still checked."""

    remaining: float


_all = _Checks(math.inf)
_first = _Checks(CALLS)
_later: dict[CodeType, _Checks] = {}
"""The later checks of each function. Functions that a function makes share them."""


def begin_checks(calls: int = CALLS, later_calls: int = LATER_CALLS) -> None:
    """Check the following calls; with zeros, none."""
    _all.remaining = math.inf if calls else 0
    _first.remaining = calls
    for checks in _later.values():
        checks.remaining = later_calls


def install_import_hook(modules: list[str]) -> None:
    """Check the functions and dataclasses of modules that are imported later with jaxtyping and beartype."""
    check_shapes = jaxtyping.jaxtyped
    # The hook of jaxtyping decorates them with this function.
    jaxtyping.jaxtyped = lambda *, typechecker: partial(
        _decorate, check_types=typechecker, check_shapes=partial(check_shapes, typechecker=typechecker)
    )
    jaxtyping.install_import_hook(modules, "beartype.beartype")


def _decorate(checkable: Any, **checks: Callable[[Any], Any]) -> Any:
    if not inspect.isclass(checkable):
        return _check_calls(checkable, **checks)
    if dataclasses.is_dataclass(checkable) and "__init__" in vars(checkable):
        checkable.__init__ = _check_calls(checkable.__init__, **checks)
    return checkable


def _check_calls(
    function: Callable[..., Any], check_types: Callable[[Any], Any], check_shapes: Callable[[Any], Any]
) -> Callable[..., Any]:
    # An annotation that is text may have a shape, too.
    has_shapes = any(isinstance(one, str) or "jaxtyping." in repr(one) for one in function.__annotations__.values())
    check = check_shapes if has_shapes else check_types
    # A function that is made while nothing is checked is not checked either.
    later = _later.setdefault(function.__code__, _Checks(LATER_CALLS if _all.remaining else 0))
    # The checks of a function that is made again and again begin with a compilation each time.
    first = later if "<locals>" in function.__qualname__ else _first if has_shapes else _all
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

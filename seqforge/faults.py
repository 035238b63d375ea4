"""Faults in the code of plugins: which component failed, where, and who has to correct it."""

import errno
import inspect
import json
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, cast
from weakref import WeakKeyDictionary

from seqforge.errors import PluginError, SeqforgeError, is_out_of_memory

SESSION = "session"
"""Plugin name of components that no plugin registers: classes that were defined in a Python session."""

FILE_SUFFIX = ".py"
"""End of the name of a plugin that is a single Python file, such as `my_cell.py`. No installed plugin has it."""

_COMPONENTS: WeakKeyDictionary[type[Any], tuple[str, str]] = WeakKeyDictionary()
"""Kind and qualified name of every component that was loaded in this process, by its class."""


def remember_component(component: type[Any], kind: str, name: str) -> None:
    """Record the kind and the qualified name of a component, for error messages about its code."""
    _COMPONENTS[component] = kind, name


def plugin_fault(kind: str, name: str, reason: str) -> PluginError:
    """Return the error for a fault in the code of a component."""
    return PluginError(f"{kind} {name!r}: {reason}", hint=author_hint(name))


def author_hint(name: str) -> str:
    """Return a hint that names who has to correct a component."""
    owner, _, class_name = name.rpartition("/")
    if owner in (SESSION, ""):
        return f"Correct the class {class_name}."
    if owner.endswith(FILE_SUFFIX):
        return f"Correct {class_name!r} in {owner}."
    return f"Report this to the author of the plugin {owner!r}."


def describe_error(error: BaseException, component: type[object]) -> str:
    """Describe an error, with the last line of its traceback that is in the package of the component."""
    package = _package(component.__module__)
    own = [
        f" ({Path(frame.f_code.co_filename).name}, line {line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _package(_module(frame)) == package
    ]
    return f"{type(error).__name__}: {error}{own[-1] if own else ''}"


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


@contextmanager
def blame_components() -> Generator[None]:
    """Convert an unexpected error inside the block to an error that names the component whose code raised it.

    Raises:
        PluginError: If the code of a component raises an error; see `find_fault`.
    """
    try:
        yield
    except Exception as error:
        fault = find_fault(error)
        if fault is None or fault is error:
            raise
        raise fault from error


def find_fault(error: BaseException) -> PluginError | None:
    """Return an error that names the component whose code raised an error, from the frames of its traceback.

    Returns:
        The error itself if it is a `PluginError`. None if no code of a component was running, if memory or the disk is
        exhausted, or if the component raised an error for the user.
    """
    if isinstance(error, PluginError):
        return error
    is_disk_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    if isinstance(error, SeqforgeError) or not isinstance(error, Exception) or is_out_of_memory(error) or is_disk_full:
        return None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][::-1]
    for frame in frames:
        component = _component_of(frame)
        if component is not None:
            method, place = frame.f_code.co_name, ""
            if _package(_module(frame)) == "torch":
                # torch calls the methods of its modules. A call with wrong arguments has no frame in the component.
                method, place = "a call", _place(getattr(component, "forward", component))
            failure = f"{method} failed: {describe_error(error, component)}{place}"
            return plugin_fault(*_COMPONENTS[component], failure)
    # Code of a plugin that no method of a component called, such as a torch optimizer that a component built.
    kinds = {"optimizer"} if in_optimizer_step(error) else {kind for kind, _ in _COMPONENTS.values()}
    for package in map(_package, map(_module, frames)):
        candidates = [
            component
            for component, (kind, _) in _COMPONENTS.items()
            if kind in kinds and _package(component.__module__) == package != "seqforge"
        ]
        if candidates:
            failure = f"its code failed: {describe_error(error, candidates[0])}"
            kind, name = _COMPONENTS[candidates[0]]
            if len(candidates) == 1:
                return plugin_fault(kind, name, failure)
            return PluginError(f"plugin {name.partition('/')[0]!r}: {failure}", hint=author_hint(name))
    return None


def in_optimizer_step(error: BaseException) -> bool:
    """Return whether a step of a torch optimizer raised an error, so that it may have changed some parameters."""
    return any(_module(frame) == "torch.optim.optimizer" for frame, _ in traceback.walk_tb(error.__traceback__))


def wrong_result(method: Callable[..., Any], problem: str) -> PluginError:
    """Return the error for a result of a component that its interface does not allow.

    Args:
        method: Bound method of the component.
        problem: What is wrong, and what was expected, such as "returned -1, not a number that is at least 0".
    """
    owner = cast("type[Any]", type(getattr(method, "__self__", None)))
    component = next((parent for parent in owner.__mro__ if parent in _COMPONENTS), None)
    kind, name = _COMPONENTS[component] if component else ("component", owner.__qualname__)
    return plugin_fault(kind, name, f"{method.__name__} {problem}{_place(method)}")


def checked_state(method: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the state of a component from its method `state`.

    Raises:
        PluginError: If it is not a table of plain JSON values, which a file can hold.
    """
    state: Any = method()
    with suppress(TypeError, ValueError, RecursionError):
        if isinstance(state, dict) and json.dumps(state):
            return cast("dict[str, Any]", state)
    raise wrong_result(method, f"returned {state!r:.60}, not a table of plain JSON values")


def _place(method: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(method), "__code__", None)
    return f" ({Path(code.co_filename).name}, line {code.co_firstlineno})" if code else ""


def _component_of(frame: FrameType) -> type[Any] | None:
    """Return the component whose method runs in a frame, also inherited, or a function inside such a method."""
    subject: Any = frame.f_locals.get("self", frame.f_locals.get("cls"))
    for parent in (subject if isinstance(subject, type) else type(subject)).__mro__:
        if parent in _COMPONENTS:
            return parent
    for component in _COMPONENTS:
        if component.__module__ == _module(frame) and frame.f_code.co_qualname.startswith(f"{component.__qualname__}."):
            return component
    return None


def _module(frame: FrameType) -> str:
    return frame.f_globals.get("__name__") or ""


def _package(module: str) -> str:
    return module.partition(".")[0]

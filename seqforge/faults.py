"""Faults in the code of plugins: which component failed, where, and who has to correct it."""

import errno
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar, cast

from seqforge.errors import PluginError, SeqforgeError, is_out_of_memory

SESSION = "session"
"""Plugin name of components that no plugin registers: classes that were defined in a Python session."""

FILE_SUFFIX = ".py"
"""End of the name of a plugin that is a single Python file, such as `my_cell.py`. No installed plugin has it."""

ItemT = TypeVar("ItemT")

_LIBRARIES = frozenset(
    {"seqforge", "torch", "hypothesis", "pytest", "_pytest", "pluggy", "beartype", "jaxtyping", "contextlib"}
)
"""Packages that run the code of components."""

_OWNER = "__seqforge_component__"
"""Attribute of the class of a component with its kind and its qualified name."""


def name_component(component: type[Any], kind: str, name: str) -> None:
    """Store the kind and the qualified name of a component in its class, for error messages about its code."""
    setattr(component, _OWNER, (kind, name))


def _owner(component: type[Any]) -> tuple[str, str]:
    """Return the kind and the qualified name of a component."""
    return vars(component)[_OWNER]


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


def place_of(error: BaseException) -> str:
    """Return the file and the line of the component's own code that raised an error, in parentheses."""
    own = [
        f" ({Path(frame.f_code.co_filename).name}, line {line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if is_authors_code(frame.f_globals.get("__name__", ""))
    ]
    return own[-1] if own else ""


def is_authors_code(module: str) -> bool:
    """Return whether a module is neither one of seqforge's core nor of a library that runs the code of components."""
    return module.partition(".")[0] not in _LIBRARIES


@contextmanager
def blame_plugin(kind: str, name: str, component: type[object], failure: str) -> Generator[None]:
    """Convert an unexpected error inside the block to an error that names the component.

    Args:
        kind: Kind of component.
        name: Qualified name of the component.
        component: Class of the component.
        failure: What fails, such as "it cannot be built".

    Raises:
        PluginError: If the block raises anything but a `SeqforgeError` or an out-of-memory error, also if it would
            end the process by `sys.exit`.
    """
    try:
        yield
    except SeqforgeError:
        raise
    except (Exception, SystemExit) as error:
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
    except (Exception, SystemExit) as error:
        fault = find_fault(error)
        if fault is None or fault is error:
            raise
        raise fault from error


def blame_iteration(items: Iterator[ItemT]) -> Iterator[ItemT]:
    """Yield items, and convert errors as `blame_components` does."""
    with blame_components():
        yield from items


def find_fault(error: BaseException) -> PluginError | None:
    """Return an error that names the component whose code raised an error, from the frames of its traceback.

    Returns:
        The error itself if it is a `PluginError`. None if no code of a component was running, if memory or the disk is
        exhausted, or if the component raised an error for the user. A `SystemExit` is an error in a method of a
        component; elsewhere, such as in a command of a plugin, it ends the process.
    """
    if isinstance(error, PluginError):
        return error
    is_disk_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    if isinstance(error, SeqforgeError) or is_out_of_memory(error) or is_disk_full:
        return None
    if not isinstance(error, Exception | SystemExit):
        return None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][::-1]
    for frame in frames:
        component = _component_of(frame)
        if component is not None:
            method, place = frame.f_code.co_name, ""
            if _package(_module(frame)) == "torch":
                # torch calls the methods of its modules. A call with wrong arguments has no frame in the component.
                method, place = "a call", _place(getattr(component, "forward", component))
            return plugin_fault(*_owner(component), f"{method} failed: {describe_error(error, component)}{place}")
    return None if isinstance(error, SystemExit) else _find_package(error, frames)


def _find_package(error: Exception, frames: list[FrameType]) -> PluginError | None:
    """Blame the package of a plugin whose code no method of a component called, such as that of a torch optimizer."""
    in_step = in_parameter_update(error)
    for package in dict.fromkeys(map(_package, map(_module, frames))):
        components = [] if package == "seqforge" else _components_in(package)
        candidates = [component for component in components if not in_step or _owner(component)[0] == "optimizer"]
        if candidates:
            kind, name = _owner(candidates[0])
            failure = f"its code failed: {describe_error(error, candidates[0])}"
            if len(candidates) == 1:
                return plugin_fault(kind, name, failure)
            return PluginError(f"plugin {name.partition('/')[0]!r}: {failure}", hint=author_hint(name))
    return None


def _components_in(package: str) -> list[type[Any]]:
    """Return the loaded components that the modules of a package define."""
    modules = [module for name, module in sys.modules.copy().items() if _package(name) == package]
    classes = [value for module in modules for value in list(vars(module).values()) if isinstance(value, type)]
    components = dict.fromkeys(component for component in classes if _OWNER in vars(component))
    return [component for component in components if _package(component.__module__) == package]


def in_parameter_update(error: BaseException) -> bool:
    """Return whether a step of a torch optimizer, or a cell that constrains its parameters, raised an error.

    Some parameters may then have changed, and others not.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(
        _module(frame) == "torch.optim.optimizer" or frame.f_code.co_name == "constrain_parameters" for frame in frames
    )


def wrong_result(method: Callable[..., Any], problem: str) -> PluginError:
    """Return the error for a result of a component that its interface does not allow.

    Args:
        method: Bound method of the component.
        problem: What is wrong, and what was expected, such as "returned -1, not a number that is at least 0".
    """
    return component_fault(getattr(method, "__self__", None), f"{method.__name__} {problem}{_place(method)}")


def require_right(method: Callable[..., Any], problem: str | None) -> None:
    """Raise the error for a result of a component, if a function of the contract of its kind found a problem.

    Args:
        method: Bound method of the component.
        problem: What is wrong, as for `wrong_result`, or None.

    Raises:
        PluginError: If there is a problem.
    """
    if problem is not None:
        raise wrong_result(method, problem)


def component_fault(component: object, reason: str) -> PluginError:
    """Return the error for a fault in the code of a component that was built."""
    named = _named_parent(type(component))
    return plugin_fault(*(_owner(named) if named else ("component", type(component).__qualname__)), reason)


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


def _place(method: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(method), "__code__", None)
    return f" ({Path(code.co_filename).name}, line {code.co_firstlineno})" if code else ""


def _component_of(frame: FrameType) -> type[Any] | None:
    """Return the component whose method runs in a frame, also inherited, or a function inside such a method."""
    subject: Any = frame.f_locals.get("self", frame.f_locals.get("cls"))
    found = _named_parent(subject if isinstance(subject, type) else type(subject))
    # A function inside a method has its name in its own: `Class.method.<locals>.function`.
    first, *others = frame.f_code.co_qualname.split(".")
    outer: Any = frame.f_globals.get(first)
    for name in others:
        if found is not None or not isinstance(outer, type):
            break
        found, outer = _named_parent(outer), getattr(cast("Any", outer), name, None)
    return found


def _named_parent(subject: type[Any]) -> type[Any] | None:
    """Return the component that a class is or inherits from, or None."""
    return next((parent for parent in subject.__mro__ if _OWNER in vars(parent)), None)


def _module(frame: FrameType) -> str:
    return frame.f_globals.get("__name__") or ""


def _package(module: str) -> str:
    return module.partition(".")[0]

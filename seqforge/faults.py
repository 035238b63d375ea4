"""Faults in the code of plugins: which component failed, where, and who has to correct it."""

import errno
import inspect
import reprlib
import sys
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from seqforge.errors import PluginError, SeqforgeError, is_out_of_memory, with_article

SESSION = "session"
"""Plugin name of components that no plugin registers: classes that were defined in a Python session."""

FILE_SUFFIX = ".py"
"""End of the name of a plugin that is a single Python file, such as `my_cell.py`. No installed plugin has it."""

ItemT = TypeVar("ItemT")

_LIBRARIES = frozenset(
    {"seqforge", "torch", "numpy", "hypothesis", "pytest", "_pytest", "pluggy", "beartype", "jaxtyping"}
)
"""Packages that run the code of components, in addition to the standard library."""

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
    return f"{type(error).__name__}: {error}{_last_line(error, lambda module: _package(module) == package)}"


def place_of(error: BaseException) -> str:
    """Return the file and the line of the component's own code that raised an error, in parentheses."""
    return _last_line(error, is_authors_code)


def _last_line(error: BaseException, is_own: Callable[[str], bool]) -> str:
    lines = [
        f" ({Path(frame.f_code.co_filename).name}, line {line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if is_own(_module(frame))
    ]
    return lines[-1] if lines else ""


def is_authors_code(module: str) -> bool:
    """Return whether a module is neither one of seqforge's core nor of a library that runs the code of components."""
    package = _package(module)
    return package not in _LIBRARIES and package not in sys.stdlib_module_names


@contextmanager
def blame_plugin(kind: str, name: str, component: type[object], failure: str) -> Generator[None]:
    """Convert an unexpected error inside the block to an error that names the component and the failure.

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

    The last method of a component in the traceback is at fault. If there is none, such as in the step of a torch
    optimizer, the last package of a plugin is.

    Returns:
        The error itself if it is a `PluginError`. None if no code of a plugin was running, if memory or the disk is
        exhausted, or if the component raised an error for the user. A `SystemExit` is an error in a method of a
        component; elsewhere, such as in a command of a plugin, it ends the process.
    """
    if isinstance(error, PluginError):
        return error
    is_disk_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    is_fault = isinstance(error, Exception | SystemExit) and not isinstance(error, SeqforgeError)
    if not is_fault or is_out_of_memory(error) or is_disk_full:
        return None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][::-1]
    for frame in frames:
        subject: Any = frame.f_locals.get("self", frame.f_locals.get("cls"))
        component = _named_parent(subject if isinstance(subject, type) else type(subject))
        if component is not None:
            if _package(_module(frame)) == _package(component.__module__):
                failure, place = frame.f_code.co_name, ""
            else:  # torch calls the methods of its modules. Wrong arguments have no frame in the component.
                failure, place = "a call", _place(getattr(component, "forward", component))
            return plugin_fault(*_owner(component), f"{failure} failed: {describe_error(error, component)}{place}")
    for package in dict.fromkeys(_package(_module(frame)) for frame in frames):
        component = None if isinstance(error, SystemExit) else _component_in(package)
        if component is not None:
            name = _owner(component)[1]
            plugin = name.partition("/")[0]
            return PluginError(
                f"plugin {plugin!r}: its code failed: {describe_error(error, component)}", hint=author_hint(name)
            )
    return None


def _component_in(package: str) -> type[Any] | None:
    """Return a component in use that a module of a package of a plugin defines, or None."""
    modules = [module for name, module in sys.modules.copy().items() if _package(name) == package != "seqforge"]
    classes = [value for module in modules for value in list(vars(module).values()) if isinstance(value, type)]
    return next((each for each in classes if _OWNER in vars(each) and _package(each.__module__) == package), None)


def in_parameter_update(error: BaseException) -> bool:
    """Return whether a step of a torch optimizer, or a cell that constrains its parameters, raised an error.

    Some parameters may then have changed, and others not.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(
        _module(frame) == "torch.optim.optimizer" or frame.f_code.co_name == "constrain_parameters" for frame in frames
    )


def wrong_result(method: Callable[..., Any], problem: str) -> PluginError:
    """Return the error for a result of a bound method of a component that its interface does not allow.

    The problem is what is wrong and what was expected, such as "returned -1, not a number that is at least 0".
    """
    return component_fault(getattr(method, "__self__", None), f"{method.__name__} {problem}{_place(method)}")


def component_fault(component: object, reason: str) -> PluginError:
    """Return the error for a fault in the code of a component that was built."""
    return plugin_fault(*owner_of(component), reason)


def owner_of(component: object) -> tuple[str, str]:
    """Return the kind and the qualified name of a component that was built."""
    named = _named_parent(type(component))
    return _owner(named) if named else ("component", type(component).__qualname__)


def _place(method: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(method), "__code__", None)
    return f" ({Path(code.co_filename).name}, line {code.co_firstlineno})" if code else ""


def _named_parent(subject: type[Any]) -> type[Any] | None:
    """Return the component that a class is or inherits from, or None."""
    return next((parent for parent in subject.__mro__ if _OWNER in vars(parent)), None)


def _module(frame: FrameType) -> str:
    return frame.f_globals.get("__name__") or ""


def _package(module: str) -> str:
    return module.partition(".")[0]


class _Shapes(reprlib.Repr):
    """Short texts for values: shapes for arrays, and the beginning of a text."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 60

    def repr_instance(self, x: Any, level: int) -> str:
        if isinstance(x, type):  # Its attributes describe those of an instance.
            return super().repr_instance(x, level)
        if hasattr(x, "shape") and hasattr(x, "dtype"):
            return f"{with_article(type(x).__name__.lower())} {list(x.shape)}"
        names: Sequence[str] = getattr(x, "_fields", ())
        if is_dataclass(x):
            names = [field.name for field in fields(x)]
        if names:
            parts = [f"{name}={self.repr1(getattr(x, name), level - 1)}" for name in names]
            return f"{type(x).__name__}({', '.join(parts)})"
        return super().repr_instance(x, level)


describe_value = _Shapes().repr
"""Function that returns a value of a component as a short text, such as "HiddenState(hidden=a tensor [2, 8])"."""

"""What a plugin's code does wrong, told with its place, for the author of the plugin."""

import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from seqforge.errors import PluginError, SeqforgeError, is_out_of_memory
from seqforge.registry.register import SESSION


def describe_error(error: BaseException, component: type[object]) -> str:
    """Say what was raised, and in which line of the component's package.

    Args:
        error: Was raised by the component, or by what it called.
        component: Its class.
    """
    package = component.__module__.partition(".")[0]
    own = [
        f" ({Path(frame.f_code.co_filename).name}, line {line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").partition(".")[0] == package
    ]
    return f"{type(error).__name__}: {error}{own[-1] if own else ''}"


def plugin_fault(kind: str, name: str, reason: str) -> PluginError:
    """Blame a component.

    Args:
        kind: Of component.
        name: Its qualified name.
        reason: What it does wrong.
    """
    return PluginError(f"{kind} {name!r}: {reason}", hint=for_the_author(name))


def for_the_author(name: str) -> str:
    """Return the hint that names who has to correct a component.

    Args:
        name: Qualified name of the component.
    """
    owner, _, class_name = name.partition("/")
    if owner == SESSION:
        return f"Correct the class {class_name}."
    return f"This is for the author of the plugin {owner!r} to mend."


@contextmanager
def blame_plugin(kind: str, name: str, component: type[object], doing: str) -> Generator[None]:
    """Blame a component for what is raised inside, unless it says itself what is wrong.

    Args:
        kind: Of component.
        name: Its qualified name.
        component: Its class.
        doing: What it cannot do, such as "it cannot be made".

    Raises:
        PluginError: Where anything is raised but a `SeqforgeError`, or a want of memory.
    """
    try:
        yield
    except SeqforgeError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise plugin_fault(kind, name, f"{doing}: {describe_error(error, component)}") from error

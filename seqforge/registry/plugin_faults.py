"""What a plugin's code does wrong, told with its place, for the author of the plugin."""

import traceback
from pathlib import Path

from seqforge.errors import PluginError

_OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell a want of memory, which torch says in words alone, from a fault.

    Args:
        error: What was raised.
    """
    return isinstance(error, MemoryError) or any(phrase in str(error) for phrase in _OUT_OF_MEMORY)


def told(error: BaseException, component: type[object]) -> str:
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


def fault(kind: str, name: str, reason: str) -> PluginError:
    """Blame a component.

    Args:
        kind: Of component.
        name: Its qualified name.
        reason: What it does wrong.
    """
    return PluginError(
        f"{kind} {name!r}: {reason}", hint=f"This is for the author of the plugin {name.partition('/')[0]!r} to mend."
    )

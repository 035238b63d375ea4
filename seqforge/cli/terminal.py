"""Words for the person at the terminal."""

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"error": "bold red", "warning": "bold yellow"}


@functools.cache
def stderr() -> "Console":
    """The console for messages: everything that is not a command's result."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


@functools.cache
def stdout() -> "Console":
    """The console for a command's result."""
    from rich.console import Console

    return Console(highlight=False, markup=False, soft_wrap=True)


def print_error(message: str, *, hint: str | None = None, kind: str = "error") -> None:
    """Tell what went wrong, and what to do.

    Args:
        message: What went wrong.
        hint: What to do.
        kind: "error" or "warning".
    """
    from rich.text import Text

    stderr().print(Text.assemble((f"{kind}: ", STYLES[kind]), message))
    if hint:
        stderr().print(Text(hint), style="default")

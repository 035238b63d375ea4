"""Consoles for output, and the format of error messages."""

import functools
import os
from typing import TYPE_CHECKING

from seqforge.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"error": "bold red", "warning": "bold yellow"}


@functools.cache
def stderr() -> "Console":
    """Return the console for messages, which are all output except the result of a command."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


@functools.cache
def stdout() -> "Console":
    """Return the console for the result of a command."""
    from rich.console import Console

    return Console(highlight=False, markup=False, soft_wrap=True)


def print_error(message: str, *, hint: str | None = None, kind: str = "error") -> None:
    """Print an error or a warning, and a hint about what to do. Control characters, as in names, are escaped."""
    from rich.text import Text

    if kind == "warning" and os.environ.get("RANK", "0") != "0":
        return  # Every process that torchrun starts would print the same warning.
    stderr().print(Text.assemble((f"{kind}: ", STYLES[kind]), printable(message)))
    if hint:
        stderr().print(Text(printable(hint)), style="default")

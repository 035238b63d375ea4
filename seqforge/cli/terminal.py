"""What commands print: consoles, error messages, tables, and programs as a user can type them."""

import functools
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqforge.errors import printable

if TYPE_CHECKING:
    from rich.console import Console


STYLES = {"error": "bold red", "warning": "bold yellow"}

GAP, NARROWEST, NARROWEST_NAME = 2, 4, 20
"""Width of the gap between columns, and the widths to which a column and the first column may be cut, in characters."""

PIPE_WIDTH = 100_000
"""Width of a table in a pipe or a file, in characters: no table is wider."""


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


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Heading.
        is_number: Whether its cells are aligned to the right and never cut.
        styles: Style of cells whose first word is a key.
        is_optional: Whether a terminal that is too narrow for the table leaves the column out.
    """

    name: str
    is_number: bool = False
    styles: Mapping[str, str] | None = None
    is_optional: bool = False


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout. A narrow terminal leaves out optional columns, and cuts the longest cells of text."""
    # Commands that print no table start without rich.
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=PIPE_WIDTH)
    cells = [[" ".join(printable(cell).splitlines()) for cell in row] for row in rows]
    widths = [max(map(cell_len, (column.name, *values))) for column, *values in zip(columns, *cells, strict=True)]
    # Neither numbers nor words with a style are cut.
    smallest = [
        width if column.is_number or column.styles is not None else min(width, NARROWEST if index else NARROWEST_NAME)
        for index, (column, width) in enumerate(zip(columns, widths, strict=True))
    ]
    kept = list(range(len(columns)))
    for index, column in enumerate(columns):
        if column.is_optional and sum(smallest[one] + GAP for one in kept) > console.width:
            kept.remove(index)
    columns = [columns[index] for index in kept]
    widths, smallest = [widths[index] for index in kept], [smallest[index] for index in kept]
    _shrink(widths, smallest, console.width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        justify = "right" if column.is_number else "left"
        table.add_column(column.name, justify=justify, width=width, no_wrap=True, overflow="ellipsis")
    for row in cells:
        shown = zip(columns, [row[index] for index in kept], strict=True)
        table.add_row(*(Text(cell, (column.styles or {}).get(cell.partition(" ")[0], "")) for column, cell in shown))
    console.print(table)


def _shrink(widths: list[int], smallest: Sequence[int], available: int) -> None:
    """Reduce the widths of columns of text until the table fits."""
    while sum(widths) + GAP * len(widths) > available:
        shrinkable = [index for index, width in enumerate(widths) if width > smallest[index]]
        if not shrinkable:
            return
        widths[max(shrinkable, key=widths.__getitem__)] -= 1


def short_unit(unit: str) -> str:
    """Return the unit of a loss as a heading shows it."""
    return "bits/char" if unit == "bits per character" else unit


def typed_program() -> str:
    """Return `seqforge` if it is on PATH, or the path by which it was started."""
    program, installed = Path(sys.argv[0]), shutil.which("seqforge")
    on_path = installed is not None and program.exists() and Path(installed).samefile(program)
    return "seqforge" if on_path or program.name != "seqforge" else shlex.quote(sys.argv[0])


def typed_python() -> str:
    """Return `python` if PATH finds that of this environment, or its path, relative if it is in the current folder."""
    python, installed = Path(sys.executable), shutil.which("python")
    # The Python of a virtual environment is a link to another one, so that the paths are compared and not the files.
    if installed is not None and Path(installed).absolute() == python:
        return "python"
    inside = python.is_relative_to(Path.cwd())
    return shlex.quote(str(python.relative_to(Path.cwd()) if inside else python))

"""Tables on the terminal: they fit its width, and are complete in a pipe or a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqforge.errors import printable

GAP, NARROWEST = 2, 4
"""Width of the gap between columns, and the width to which a column may be cut, in characters."""

PIPE_WIDTH = 100_000


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Heading.
        is_number: Whether its cells are aligned to the right and never cut.
        styles: Style of cells whose first word is a key.
    """

    name: str
    is_number: bool = False
    styles: Mapping[str, str] | None = None


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout. On a terminal, long cells of text are cut, the longest column first."""
    # Commands that print no table start without rich.
    from rich.cells import cell_len, set_cell_size
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=PIPE_WIDTH)
    cells = [[" ".join(printable(cell).splitlines()) for cell in row] for row in rows]
    widths = [max(map(cell_len, (column.name, *values))) for column, *values in zip(columns, *cells, strict=True)]
    _shrink(widths, [not column.is_number and column.styles is None for column in columns], console.width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.name, justify="right" if column.is_number else "left", no_wrap=True)
    for row in cells:
        shown = [
            cell if cell_len(cell) <= width else f"{set_cell_size(cell, width - 1)}…"
            for cell, width in zip(row, widths, strict=True)
        ]
        table.add_row(*(Text(cell, style=_style(column, cell)) for column, cell in zip(columns, shown, strict=True)))
    console.print(table)


def _shrink(widths: list[int], may_shrink: list[bool], available: int) -> None:
    """Reduce the widths of columns of text until the table fits."""
    while sum(widths) + GAP * len(widths) > available:
        longest = max((index for index, may in enumerate(may_shrink) if may), key=widths.__getitem__, default=None)
        if longest is None or widths[longest] <= NARROWEST:
            return
        widths[longest] -= 1


def _style(column: Column, cell: str) -> str:
    return (column.styles or {}).get(cell.partition(" ")[0], "")


def short_unit(unit: str) -> str:
    """Return the unit of a loss as a heading shows it."""
    return "bits/char" if unit == "bits per character" else unit

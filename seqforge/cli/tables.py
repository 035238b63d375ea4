"""Tables on the terminal: they fit its width, and are complete in a pipe or a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqforge.errors import printable

GAP, NARROWEST, NARROWEST_NAME = 2, 4, 20
"""Width of the gap between columns, and the widths to which a column and the first column may be cut, in characters."""

PIPE_WIDTH = 100_000
"""Width of a table in a pipe or a file, in characters: no table is wider."""


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
    from rich.cells import cell_len, set_cell_size
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=PIPE_WIDTH)
    cells = [[" ".join(printable(cell).splitlines()) for cell in row] for row in rows]
    widths = [max(map(cell_len, (column.name, *values))) for column, *values in zip(columns, *cells, strict=True)]
    smallest = [
        min(width, NARROWEST_NAME if index == 0 else NARROWEST) if _may_be_cut(column) else width
        for index, (column, width) in enumerate(zip(columns, widths, strict=True))
    ]
    kept = _choose_columns(columns, smallest, console.width)
    columns = [columns[index] for index in kept]
    widths, smallest = [widths[index] for index in kept], [smallest[index] for index in kept]
    cells = [[row[index] for index in kept] for row in cells]
    _shrink(widths, smallest, console.width)
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


def _may_be_cut(column: Column) -> bool:
    return not column.is_number and column.styles is None


def _choose_columns(columns: Sequence[Column], smallest: Sequence[int], available: int) -> list[int]:
    """Return the columns to show: as few optional ones as needed are left out, from the left."""
    kept = list(range(len(columns)))
    for index, column in enumerate(columns):
        if column.is_optional and sum(smallest[one] + GAP for one in kept) > available:
            kept.remove(index)
    return kept


def _shrink(widths: list[int], smallest: Sequence[int], available: int) -> None:
    """Reduce the widths of columns of text until the table fits."""
    while sum(widths) + GAP * len(widths) > available:
        shrinkable = [index for index, width in enumerate(widths) if width > smallest[index]]
        if not shrinkable:
            return
        widths[max(shrinkable, key=widths.__getitem__)] -= 1


def _style(column: Column, cell: str) -> str:
    return (column.styles or {}).get(cell.partition(" ")[0], "")


def short_unit(unit: str) -> str:
    """Return the unit of a loss as a heading shows it."""
    return "bits/char" if unit == "bits per character" else unit

"""Tables in Markdown, and the page that contains them."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import processor, versions

START, END = "<!-- figures -->", "<!-- end of figures -->"
"""Markers before and after the tables in a page."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a heading and a note.

    Attributes:
        title: Heading.
        columns: Names of the columns. The first column is text, the others are numbers.
        rows: Cells of each row, as text.
        note: Explanation below the table.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        """Return the table in Markdown."""
        lines = [
            self.columns,
            ["---", *["---:"] * (len(self.columns) - 1)],
            *self.rows,
        ]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join(part for part in (f"### {self.title}", table, self.note) if part)


def megabytes(size: float) -> str:
    """Format a size in bytes as megabytes."""
    return f"{size / 1e6:,.0f} MB"


def heading(command: str, threads: int, rounds: int) -> str:
    """Return a line with the date, the machine, the libraries and the command of the measurement.

    Args:
        command: Command line.
        threads: Number of cores, and of threads of every program.
        rounds: Number of rounds of every program.
    """
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return (
        f"{today}. {processor()}, {threads} {'core' if threads == 1 else 'cores'} used. {versions()}. "
        f"Medians of {rounds} rounds: `{command}`"
    )


def replace_tables(path: Path, text: str) -> None:
    """Replace the text between the two markers of a page.

    Args:
        path: Markdown file with both markers.
        text: New text.
    """
    before, start, rest = path.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise SystemExit(f"{path}: the file must contain the markers {START} and {END}")
    path.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}", encoding="utf-8")

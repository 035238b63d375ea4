"""Tables in Markdown, and the file that they are put in."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import processor, versions

START, END = "<!-- figures -->", "<!-- end of figures -->"
"""What stands before and after the figures in a file."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        title: Its heading.
        columns: Their heads; the first column is text, the others numbers.
        rows: As text.
        note: What must be known to read it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        """Write it in Markdown."""
        lines = [
            self.columns,
            ["---", *["---:"] * (len(self.columns) - 1)],
            *self.rows,
        ]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join(part for part in (f"### {self.title}", table, self.note) if part)


def megabytes(size: float) -> str:
    """Write a size in memory."""
    return f"{size / 1e6:,.0f} MB"


def heading(command: str, threads: int, rounds: int) -> str:
    """Say when, where and how the figures were taken.

    Args:
        command: What was typed.
        threads: Cores used, and threads of every side.
        rounds: Of every side.
    """
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return (
        f"{today}. {processor()}, {threads} {'core' if threads == 1 else 'cores'} used. {versions()}. "
        f"Medians of {rounds} rounds: `{command}`"
    )


def put_into(path: Path, text: str) -> None:
    """Put figures in the place of those in a file, or of the empty place for them.

    Args:
        path: A Markdown file with both marks.
        text: The figures.
    """
    before, start, rest = path.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise SystemExit(f"{path}: no place for the figures; it must hold {START} and {END}")
    path.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}", encoding="utf-8")

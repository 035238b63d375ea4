"""A table of characters per second, with ratios to the first side."""

from collections.abc import Sequence

from benchmarks.machine import malloc_settings, thread_settings
from benchmarks.paired import Side, alternate
from benchmarks.report import Table, megabytes
from benchmarks.tables.settings import Settings


def speeds(title: str, sides: Sequence[Side], settings: Settings) -> Table:
    """Measure sides in alternating rounds and return the table.

    Args:
        title: Title of the table.
        sides: Sides to measure; ratios are relative to the first.
        settings: Rounds and threads.
    """
    measured = alternate(list(sides), settings.rounds, thread_settings(settings.threads) | malloc_settings())
    base = measured[0]
    rows = [
        [one.side.name, f"{one.rate:,.0f}", f"{one.times_as_fast(base):.2f}", megabytes(one.peak)] for one in measured
    ]
    return Table(title, ["", "characters/s", f"× {base.side.name}", "peak memory"], rows)

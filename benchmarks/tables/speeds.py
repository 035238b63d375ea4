"""A table of characters per second, and of ratios to the first program."""

from collections.abc import Sequence

from benchmarks.machine import malloc_settings, thread_settings
from benchmarks.paired import Program, alternate
from benchmarks.report import Table, megabytes
from benchmarks.tables.settings import Settings


def measure_speeds(title: str, programs: Sequence[Program], settings: Settings) -> Table:
    """Measure programs in alternating rounds and return the table.

    Args:
        title: Title of the table.
        programs: Programs to measure. Ratios are relative to the first one.
        settings: Rounds and threads.
    """
    measurements = alternate(list(programs), settings.rounds, thread_settings(settings.threads) | malloc_settings())
    base = measurements[0]
    rows = [
        [one.program.name, f"{one.rate:,.0f}", f"{one.times_as_fast(base):.2f}", megabytes(one.peak)]
        for one in measurements
    ]
    return Table(title, ["", "characters/s", f"× {base.program.name}", "peak memory"], rows)

"""A table of characters per second in each size, with ratios to the first program."""

from collections.abc import Callable, Sequence

from benchmarks.machine import malloc_settings, thread_settings
from benchmarks.paired import Program, alternate
from benchmarks.report import Table, megabytes
from benchmarks.sizes import Size
from benchmarks.tables.settings import Settings


def measure_speeds(title: str, programs: Callable[[Size], Sequence[Program]], settings: Settings) -> Table:
    """Measure the programs of each size in alternating rounds and return the table.

    Args:
        title: Title of the table.
        programs: Returns the programs of a size. Ratios are relative to the first one.
        settings: Sizes, rounds and threads.

    Returns:
        A table with a row for each program, and the peak memory in the last size.
    """
    environment = thread_settings(settings.threads) | malloc_settings()
    measured = [alternate(programs(size), settings.rounds, environment) for size in settings.sizes]
    speeds = [
        {one.program.name: f"{one.rate:,.0f} ({one.times_as_fast(ones[0]):.2f})" for one in ones} for ones in measured
    ]
    peaks = {one.program.name: megabytes(one.peak) for one in measured[-1]}
    names = dict.fromkeys(name for speed in speeds for name in speed)
    rows = [[name, *(column.get(name, "–") for column in (*speeds, peaks))] for name in names]
    sizes = [str(size) for size in settings.sizes]
    return Table(title, ["characters/s (× first row)", *sizes, f"memory, {settings.sizes[-1].name}"], rows)

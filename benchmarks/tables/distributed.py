"""Several processes, compared with several threads of one process."""

from collections.abc import Iterator

from benchmarks.machine import malloc_settings, thread_settings
from benchmarks.paired import Program, alternate
from benchmarks.report import Table
from benchmarks.sizes import BATCH_SIZE, SEQUENCE_LENGTH
from benchmarks.tables.settings import Settings

TARGET = "benchmarks.peers.seqforge_processes:train"


def tables(settings: Settings) -> Iterator[Table]:
    """Measure the same batch in one process with several threads, and in several processes with one thread each.

    Args:
        settings: Sizes, rounds and threads; the number of processes is that of the threads.
    """
    environment = thread_settings(settings.threads) | malloc_settings()
    count = settings.threads
    rows: list[list[str]] = []
    for size in settings.sizes:
        characters = BATCH_SIZE * SEQUENCE_LENGTH * size.steps
        programs = [
            Program("threads", TARGET, {"size": size.name, "processes": 1, "threads": count}, characters),
            Program("processes", TARGET, {"size": size.name, "processes": count, "threads": 1}, characters),
            Program(
                "not averaged",
                TARGET,
                {"size": size.name, "processes": count, "threads": 1, "averages": False},
                characters,
            ),
        ]
        threads, processes, separate = alternate(programs, settings.rounds, environment)
        averaging = 1000 * (processes.median - separate.median) / size.steps
        rows.append(
            [
                str(size),
                f"{threads.rate:,.0f}",
                f"{processes.rate:,.0f}",
                f"{processes.times_as_fast(threads):.2f}",
                f"{separate.rate:,.0f}",
                f"{averaging:,.1f}",
            ]
        )
    yield Table(
        f"{count} processes compared with {count} threads, `lstm` on `native`",
        [
            "",
            f"1 process × {count} threads, characters/s",
            f"{count} processes × 1 thread",
            "ratio",
            "without averaging",
            "averaging, ms per step",
        ],
        rows,
        f"The batch of {BATCH_SIZE} rows is divided over the processes.",
    )

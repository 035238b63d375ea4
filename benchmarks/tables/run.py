"""Overhead of `seqforge run`, compared with a bare training loop of the same model."""

from collections.abc import Iterator

from benchmarks.machine import malloc_settings, thread_settings
from benchmarks.paired import Program, alternate
from benchmarks.report import Table, megabytes
from benchmarks.sizes import BATCH_SIZE, SEQUENCE_LENGTH
from benchmarks.tables.settings import Settings

PEERS = "benchmarks.peers"


def tables(settings: Settings) -> Iterator[Table]:
    """Measure both loops in each size and precision.

    Args:
        settings: Sizes, rounds and threads.
    """
    environment = thread_settings(settings.threads) | malloc_settings()
    rows: list[list[str]] = []
    for size in settings.sizes:
        for precision in ("float32", "bfloat16"):
            options = {"cell": "lstm", "size": size.name, "precision": precision, "backend": "auto"}
            characters = BATCH_SIZE * SEQUENCE_LENGTH * size.steps
            bare, run = alternate(
                [
                    Program("bare loop", f"{PEERS}.seqforge_models:train", options, characters),
                    Program("seqforge run", f"{PEERS}.seqforge_run:run", options, characters),
                ],
                settings.rounds,
                environment,
            )
            figures = [f"{bare.rate:,.0f}", f"{run.rate:,.0f}", f"{run.times_as_fast(bare):.3f}"]
            rows.append([f"{size}, {precision}", *figures, megabytes(bare.peak), megabytes(run.peak)])
    columns = ["", "bare loop, characters/s", "`seqforge run`", "ratio", "memory, bare", "memory, run"]
    yield Table(
        "`seqforge run` compared with a bare loop, `lstm`",
        columns,
        rows,
        "Without evaluations, samples and checkpoints.",
    )

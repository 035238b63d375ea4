"""Training speed of an LSTM on each backend."""

from collections.abc import Iterator

from benchmarks.machine import malloc_settings, thread_settings
from benchmarks.paired import Program, alternate
from benchmarks.report import Table
from benchmarks.sizes import BATCH_SIZE, SEQUENCE_LENGTH, Size
from benchmarks.tables.settings import BACKENDS, Settings

PRECISIONS = ("float32", "bfloat16")


def tables(settings: Settings) -> Iterator[Table]:
    """Measure training on every backend that runs on this machine, in each size and precision.

    Args:
        settings: Sizes, rounds and threads.
    """
    environment = thread_settings(settings.threads) | malloc_settings()
    columns: dict[str, dict[str, str]] = {}
    for size in settings.sizes:
        for precision in PRECISIONS:
            programs = [_program(size, backend, precision) for backend in BACKENDS]
            measured = {one.program.name: one for one in alternate(programs, settings.rounds, environment)}
            columns[f"{size.name}, {precision}"] = {
                name: f"{one.rate:,.0f} ({one.times_as_fast(measured['auto']):.2f})" for name, one in measured.items()
            }
    rows = [[backend, *(column.get(backend, "–") for column in columns.values())] for backend in BACKENDS]
    note = "Training, in characters per second, and in parentheses the ratio to `auto`."
    yield Table("Backends, LSTM", ["backend", *columns], rows, note)


def _program(size: Size, backend: str, precision: str) -> Program:
    options = {"cell": "lstm", "size": size.name, "precision": precision, "backend": backend}
    work = BATCH_SIZE * SEQUENCE_LENGTH * size.steps
    return Program(backend, "benchmarks.peers.seqforge_models:train", options, work)

"""Training and sampling speed of an LSTM on each backend."""

from collections.abc import Iterator

from benchmarks.machine import malloc_settings, thread_settings
from benchmarks.paired import Measurement, Program, alternate
from benchmarks.report import Table
from benchmarks.sizes import BATCH_SIZE, SEQUENCE_LENGTH, Size
from benchmarks.tables.settings import BACKENDS, Settings

MODELS = "benchmarks.peers.seqforge_models"
PRECISIONS = ("float32", "bfloat16")
SAMPLING_BACKENDS = ("eager", "native")
"""Backends to sample with. The others have no generation kernel and draw symbols as `eager` does."""


def tables(settings: Settings) -> Iterator[Table]:
    """Measure training and sampling on every backend that runs on this machine, in each size.

    Args:
        settings: Sizes, rounds and threads.
    """
    environment = thread_settings(settings.threads) | malloc_settings()
    for size in settings.sizes:
        training = alternate(
            [_training(size, backend, precision) for precision in PRECISIONS for backend in BACKENDS],
            settings.rounds,
            environment,
        )
        sampling = alternate(
            [_sampling(size, backend, precision) for precision in PRECISIONS for backend in SAMPLING_BACKENDS],
            settings.rounds,
            environment,
        )
        rates = {one.program.name: _format_rate(one, training) for one in training}
        rates |= {one.program.name: _format_rate(one, sampling) for one in sampling}
        rows = [
            [backend, *(rates.get(f"{work} {backend} {precision}", "–") for work in WORK for precision in PRECISIONS)]
            for backend in BACKENDS
        ]
        columns = ["backend", *(f"{work}, {precision}" for work in WORK for precision in PRECISIONS)]
        note = "Characters per second, and in parentheses the ratio to `auto` (training) or `eager` (sampling)."
        yield Table(f"Backends, LSTM, {size}", columns, rows, note)


WORK = ("training", "sampling")


def _training(size: Size, backend: str, precision: str) -> Program:
    options = {"cell": "lstm", "size": size.name, "precision": precision, "backend": backend}
    work = BATCH_SIZE * SEQUENCE_LENGTH * size.steps
    return Program(f"training {backend} {precision}", f"{MODELS}:train", options, work)


def _sampling(size: Size, backend: str, precision: str) -> Program:
    draws = size.draws // (4 if backend == "eager" else 1)
    options = {"cell": "lstm", "size": size.name, "batch_size": 1, "precision": precision, "draws": draws}
    return Program(f"sampling {backend} {precision}", f"{MODELS}:sample", {**options, "backend": backend}, draws)


def _format_rate(measurement: Measurement, measurements: list[Measurement]) -> str:
    work, _, precision = measurement.program.name.split()
    reference = "auto" if work == "training" else "eager"
    base = next(other for other in measurements if other.program.name == f"{work} {reference} {precision}")
    return f"{measurement.rate:,.0f} ({measurement.times_as_fast(base):.2f})"

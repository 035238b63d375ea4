"""Sampling speed in characters per second, with one stream and with many."""

from collections.abc import Iterator
from functools import partial

from benchmarks.paired import Program
from benchmarks.report import Table
from benchmarks.sizes import Size
from benchmarks.tables.settings import Settings
from benchmarks.tables.speeds import measure_speeds

PEERS = "benchmarks.peers"
BATCH_SIZES = (1, 64)
KERNEL_FACTOR = 10
"""Factor on the symbols in a round of a kernel with one stream. Otherwise, packing the weights would dominate it."""

PRECISIONS = ("float32", "bfloat16", "int8")
"""A backend without kernels for a precision is skipped."""


def tables(settings: Settings) -> Iterator[Table]:
    """Measure one stream and many streams in each size.

    Args:
        settings: Sizes, rounds and threads.
    """
    for batch_size in BATCH_SIZES:
        streams = "1 stream" if batch_size == 1 else f"{batch_size} streams"
        yield measure_speeds(f"Sampling, LSTM, {streams}", partial(_programs, batch_size), settings)


def _programs(batch_size: int, size: Size) -> list[Program]:
    characters = size.draws * batch_size

    def seqforge_program(backend: str, precision: str) -> Program:
        draws = size.draws * (KERNEL_FACTOR if backend == "native" and batch_size == 1 else 1)
        options = {"size": size.name, "batch_size": batch_size, "precision": precision, "draws": draws}
        return Program(
            f"`lstm`, {backend}, {precision}",
            f"{PEERS}.seqforge_models:sample",
            {"cell": "lstm", "backend": backend, **options},
            draws * batch_size,
        )

    programs = [
        Program(
            "nn.LSTM, one call per step",
            f"{PEERS}.torch_layers:sample",
            {"layer": "LSTM", "size": size.name, "batch_size": batch_size},
            characters,
        ),
        Program(
            "nn.LSTMCell, one call per layer",
            f"{PEERS}.torch_layers:sample_by_cells",
            {"size": size.name, "batch_size": batch_size},
            characters,
        ),
    ]
    if batch_size == 1:
        programs.append(Program("numpy", f"{PEERS}.numpy_sampling:sample", {"size": size.name}, characters))
    programs += [seqforge_program(backend, precision) for backend in ("eager", "native") for precision in PRECISIONS]
    return programs

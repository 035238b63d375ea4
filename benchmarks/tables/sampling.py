"""Sampling speed in characters per second, with one stream and with many."""

from collections.abc import Iterator

from benchmarks.paired import Side
from benchmarks.report import Table
from benchmarks.sizes import Size
from benchmarks.tables.settings import Settings
from benchmarks.tables.speeds import speeds

PEERS = "benchmarks.peers"
BATCH_SIZES = (1, 64)
LONGER = 10
"""Factor for the symbols in a round of a kernel with one stream, which packing the weights would otherwise dominate."""

PRECISIONS = ("float32", "bfloat16", "int8")
"""Cells without kernels for a precision are skipped."""


def tables(settings: Settings) -> Iterator[Table]:
    """Measure one stream and many streams in each size.

    Args:
        settings: Sizes, rounds and threads.
    """
    for size in settings.sizes:
        for batch_size in BATCH_SIZES:
            yield speeds(f"Sampling, batch {batch_size}, LSTM, {size}", _sides(size, batch_size), settings)


def _sides(size: Size, batch_size: int) -> list[Side]:
    characters = size.draws * batch_size

    def engine(backend: str, precision: str) -> Side:
        longer = LONGER if backend == "native" and batch_size == 1 else 1
        draws = size.draws * longer
        options = {"size": size.name, "batch_size": batch_size, "precision": precision, "draws": draws}
        return Side(
            f"`lstm`, {backend}, {precision}",
            f"{PEERS}.seqforge_models:sample",
            {"cell": "lstm", "backend": backend, **options},
            draws * batch_size,
        )

    sides = [
        Side(
            "nn.LSTM, one call per step",
            f"{PEERS}.torch_layers:sample",
            {"layer": "LSTM", "size": size.name, "batch_size": batch_size},
            characters,
        ),
        Side(
            "nn.LSTMCell, one call per layer",
            f"{PEERS}.torch_layers:sample_by_cells",
            {"size": size.name, "batch_size": batch_size},
            characters,
        ),
    ]
    if batch_size == 1:
        sides.append(Side("numpy", f"{PEERS}.numpy_sampling:sample", {"size": size.name}, characters))
    sides += [engine(backend, precision) for backend in ("eager", "native") for precision in PRECISIONS]
    return sides

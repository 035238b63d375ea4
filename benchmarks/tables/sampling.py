"""Sampling: characters a second, of one stream and of many."""

from collections.abc import Iterator

from benchmarks.machine import malloc_settings, thread_settings
from benchmarks.paired import Side, alternate
from benchmarks.report import Table, megabytes
from benchmarks.sizes import Size
from benchmarks.tables.settings import CELLS, Settings

PEERS = "benchmarks.peers"
BATCH_SIZES = (1, 64)
PRECISIONS = ("float32", "bfloat16")


def tables(settings: Settings) -> Iterator[Table]:
    """Measure one stream and many in each size.

    Args:
        settings: Sizes, rounds and threads.
    """
    environment = thread_settings(settings.threads) | malloc_settings()
    for size in settings.sizes:
        for batch_size in BATCH_SIZES:
            measured = alternate(_sides(size, batch_size), settings.rounds, environment)
            base = measured[0]
            rows = [
                [one.side.name, f"{one.rate:,.0f}", f"{one.times_as_fast(base):.2f}", megabytes(one.peak)]
                for one in measured
            ]
            columns = ["", "characters/s", f"× {base.side.name}", "peak memory"]
            yield Table(f"Sampling, batch {batch_size}, LSTM, {size}", columns, rows)


def _sides(size: Size, batch_size: int) -> list[Side]:
    characters = size.draws * batch_size
    sides = [
        Side(
            "nn.LSTM, a call a step",
            f"{PEERS}.torch_layers:sample",
            {"layer": "LSTM", "size": size.name, "batch_size": batch_size},
            characters,
        )
    ]
    if batch_size == 1:
        sides.append(Side("numpy", f"{PEERS}.numpy_sampling:sample", {"size": size.name}, characters))
    sides += [
        Side(
            f"`{name.format('lstm')}` {precision}",
            f"{PEERS}.seqforge_models:sample",
            {"cell": name.format("lstm"), "size": size.name, "batch_size": batch_size, "precision": precision},
            characters,
        )
        for name in CELLS
        for precision in PRECISIONS
    ]
    return sides

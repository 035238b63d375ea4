"""Training speed of a layer of each cell, and the memory of a long sequence."""

from collections.abc import Iterator

from benchmarks.machine import malloc_settings, thread_settings
from benchmarks.paired import Measurement, Program, alternate
from benchmarks.peers.cell_layers import WIDTH
from benchmarks.report import Table, megabytes
from benchmarks.sizes import BATCH_SIZE, SEQUENCE_LENGTH
from benchmarks.tables.settings import Settings

LAYERS = "benchmarks.peers.cell_layers"
CELLS = ("lstm", "slstm", "gated-deltanet", "gla", "hgrn-2", "mamba-2", "mlstm", "rwkv-7", "rg-lru", "sru", "min-gru")
STEPS = 2
LENGTHS = (1_000, 100_000)


def tables(settings: Settings) -> Iterator[Table]:
    """Measure each cell on `native` and on `eager`, in turns with `nn.LSTM` of the same width.

    Args:
        settings: Rounds and threads; the size is always the same.
    """
    environment = thread_settings(settings.threads) | malloc_settings()
    work = STEPS * BATCH_SIZE * SEQUENCE_LENGTH
    rows: list[list[str]] = []
    for cell in CELLS:
        programs = [Program("nn.LSTM", f"{LAYERS}:train_torch", {"steps": STEPS}, work)]
        programs += [
            Program(backend, f"{LAYERS}:train", {"cell": cell, "backend": backend, "steps": STEPS}, work)
            for backend in ("native", "eager")
        ]
        if cell == "mlstm":
            programs.append(Program("mlstm-kernels", f"{LAYERS}:train_mlstm_kernels", {"steps": STEPS}, work))
        found = {one.program.name: one for one in alternate(programs, settings.rounds, environment)}
        if "native" in found:
            rows.append([f"`{cell}`", *_figures(found)])
    columns = ["cell", "characters/s", "÷ `nn.LSTM`", "÷ `eager`", "÷ `mlstm-kernels`"]
    note = f"Forward and backward pass, width {WIDTH}, {BATCH_SIZE} × {SEQUENCE_LENGTH} steps, in bfloat16."
    yield Table("Layers", columns, rows, note)
    programs = [
        Program(f"{length:,}", f"{LAYERS}:train_long", {"cell": "gated-deltanet", "length": length})
        for length in LENGTHS
    ]
    long = [[one.program.name, megabytes(one.peak)] for one in alternate(programs, 1, environment)]
    yield Table("A sequence recomputed in parts of 1,000 steps", ["steps", "peak memory"], long)


def _figures(found: dict[str, Measurement]) -> list[str]:
    own = found["native"]
    others = [found.get(name) for name in ("nn.LSTM", "eager", "mlstm-kernels")]
    return [f"{own.rate:,.0f}", *("–" if other is None else f"{own.times_as_fast(other):.2f}" for other in others)]

"""Training and sampling speed of every installed cell, and the memory of a long sequence."""

from collections.abc import Iterator

from benchmarks.compare_cells.models import list_cells
from benchmarks.machine import malloc_settings, thread_settings
from benchmarks.paired import Program, alternate
from benchmarks.peers.cell_layers import BLOCK_WIDTH, BLOCKS, WIDTH
from benchmarks.report import Table, megabytes
from benchmarks.sizes import BATCH_SIZE, SEQUENCE_LENGTH
from benchmarks.tables.settings import Settings

LAYERS = "benchmarks.peers.cell_layers"
STEPS = 2
"""Passes in a round; one on `eager`, where some cells take seconds."""

DRAWS = {"native": 2_000, "eager": 50}
"""Symbols in a round."""

LENGTHS = (1_000, 100_000)


def tables(settings: Settings) -> Iterator[Table]:
    """Measure each cell on `native` and on `eager`, in turns with `nn.LSTM` of the same width.

    Args:
        settings: Rounds and threads; the size is always the same.
    """
    environment = thread_settings(settings.threads) | malloc_settings()
    rows = [row for cell in list_cells() if (row := _measure(cell, settings.rounds, environment))]
    columns = ["cell", "characters/s", "÷ `nn.LSTM`", "÷ `eager`", "÷ `mlstm-kernels`", "projection"]
    columns += ["sampled/s", "÷ `eager`"]
    note = (
        f"Forward and backward pass of one layer, width {WIDTH}, {BATCH_SIZE} × {SEQUENCE_LENGTH} steps, in bfloat16, "
        "and the part of this time that the projection of the input takes alone; "
        f"then one stream of symbols from {BLOCKS} blocks of {BLOCK_WIDTH} with a convolution, in float32."
    )
    yield Table("Layers", columns, rows, note)
    programs = [
        Program(f"{length:,}", f"{LAYERS}:train_long", {"cell": "gated-deltanet", "length": length})
        for length in LENGTHS
    ]
    long = [[one.program.name, megabytes(one.peak)] for one in alternate(programs, 1, environment)]
    yield Table("A sequence recomputed in parts of 1,000 steps", ["steps", "peak memory"], long)


def _measure(cell: str, rounds: int, environment: dict[str, str]) -> list[str] | None:
    """Return the row of a cell, or None if `native` cannot run it."""

    def pass_of(name: str, function: str, steps: int, **options: str) -> Program:
        work = steps * BATCH_SIZE * SEQUENCE_LENGTH
        return Program(name, f"{LAYERS}:{function}", {"steps": steps, **options}, work)

    trained = [pass_of("native", "train", STEPS, cell=cell, backend="native")]
    trained += [pass_of("nn.LSTM", "train_torch", STEPS), pass_of("eager", "train", 1, cell=cell, backend="eager")]
    trained += [pass_of("projection", "train_projection", STEPS, cell=cell)]
    trained += [pass_of("mlstm-kernels", "train_mlstm_kernels", STEPS)] if cell == "mlstm" else []
    sampled = [
        Program(name, f"{LAYERS}:sample", {"cell": cell, "backend": name, "draws": draws}, draws)
        for name, draws in DRAWS.items()
    ]
    row: list[str] = []
    for programs, others in ((trained, ("nn.LSTM", "eager", "mlstm-kernels")), (sampled, ("eager",))):
        found = {one.program.name: one for one in alternate(programs, rounds, environment)}
        if "native" not in found:
            return None
        own = found["native"]
        ratios = (f"{own.times_as_fast(found[name]):.2f}" if name in found else "–" for name in others)
        row += [f"{own.rate:,.0f}", *ratios]
        if "projection" in found:
            row.append(f"{100 / found['projection'].times_as_fast(own):.0f}%")
    return [f"`{cell}`", *row]

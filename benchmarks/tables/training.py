"""Training speed in characters per second, of seqforge and other libraries."""

from collections.abc import Iterator

from benchmarks.paired import Side
from benchmarks.report import Table
from benchmarks.sizes import BATCH_SIZE, SEQUENCE_LENGTH, Size
from benchmarks.tables.settings import Settings
from benchmarks.tables.speeds import speeds

PEERS = "benchmarks.peers"
PRECISIONS = ("float32", "bfloat16")


def tables(settings: Settings) -> Iterator[Table]:
    """Measure LSTM, GRU and RNN in each size.

    Args:
        settings: Sizes, rounds and threads.
    """
    for size in settings.sizes:
        for kind in ("LSTM", "GRU", "RNN"):
            yield speeds(f"Training, {kind}, {size}", _sides(kind, size), settings)


def _sides(kind: str, size: Size) -> list[Side]:
    characters = BATCH_SIZE * SEQUENCE_LENGTH * size.steps
    sides = [
        Side(
            f"nn.{kind} {precision}",
            f"{PEERS}.torch_layers:train",
            {"layer": kind, "size": size.name, "precision": precision},
            characters,
        )
        for precision in PRECISIONS
    ]
    sides += [
        Side(
            f"`{kind.lower()}`, {backend}, {precision}",
            f"{PEERS}.seqforge_models:train",
            {"cell": kind.lower(), "size": size.name, "precision": precision, "backend": backend},
            characters,
        )
        for backend in ("eager", "native", "onednn")
        for precision in PRECISIONS
    ]
    if kind == "LSTM":
        peepholes = {"cell": "lstm", "cell_options": {"peepholes": True}, "size": size.name, "backend": "native"}
        sides += [
            # Peepholes have no kernel of their own, so `native` generates one from the cell's `pointwise`.
            Side(
                f"`lstm` with peepholes, native, {precision}",
                f"{PEERS}.seqforge_models:train",
                {**peepholes, "precision": precision},
                characters,
            )
            for precision in PRECISIONS
        ]
        sides += [
            Side("JAX lax.scan float32", f"{PEERS}.jax_scan:train", {"size": size.name}, characters),
            Side("Keras on JAX float32", f"{PEERS}.keras_layers:train", {"size": size.name}, characters),
        ]
    if kind == "RNN" and size.layers == 1:
        sides.append(
            Side(
                "numpy min-char-rnn, batch 1",
                f"{PEERS}.numpy_rnn:train",
                {"size": size.name},
                SEQUENCE_LENGTH * size.steps,
            )
        )
    return sides

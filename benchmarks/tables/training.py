"""Training speed in characters per second, of seqforge and other libraries."""

from collections.abc import Iterator
from functools import partial

from benchmarks.paired import Program
from benchmarks.report import Table
from benchmarks.sizes import BATCH_SIZE, SEQUENCE_LENGTH, Size
from benchmarks.tables.settings import Settings
from benchmarks.tables.speeds import measure_speeds

PEERS = "benchmarks.peers"
PRECISIONS = ("float32", "bfloat16")


def tables(settings: Settings) -> Iterator[Table]:
    """Measure LSTM, GRU and RNN in each size.

    Args:
        settings: Sizes, rounds and threads.
    """
    for kind in ("LSTM", "GRU", "RNN"):
        yield measure_speeds(f"Training, {kind}", partial(_programs, kind), settings)


def _programs(kind: str, size: Size) -> list[Program]:
    characters = BATCH_SIZE * SEQUENCE_LENGTH * size.steps
    programs = [
        Program(
            f"nn.{kind} {precision}",
            f"{PEERS}.torch_layers:train",
            {"layer": kind, "size": size.name, "precision": precision},
            characters,
        )
        for precision in PRECISIONS
    ]
    programs += [
        Program(
            f"`{kind.lower()}`, {backend}, {precision}",
            f"{PEERS}.seqforge_models:train",
            {"cell": kind.lower(), "size": size.name, "precision": precision, "backend": backend},
            characters,
        )
        for backend in (("eager", "native", "onednn") if kind == "LSTM" else ("native",))
        for precision in PRECISIONS
    ]
    if kind == "LSTM":
        peepholes = {"cell": "lstm", "cell_options": {"peepholes": True}, "size": size.name, "backend": "native"}
        programs += [
            # Peepholes have no kernel of their own, so `native` interprets the cell's step.
            Program(
                f"`lstm` with peepholes, native, {precision}",
                f"{PEERS}.seqforge_models:train",
                {**peepholes, "precision": precision},
                characters,
            )
            for precision in PRECISIONS
        ]
        programs += [
            Program("JAX lax.scan float32", f"{PEERS}.jax_scan:train", {"size": size.name}, characters),
            Program("Keras on JAX float32", f"{PEERS}.keras_layers:train", {"size": size.name}, characters),
        ]
    if kind == "RNN" and size.layers == 1:
        programs.append(
            Program(
                "numpy min-char-rnn, batch 1",
                f"{PEERS}.numpy_rnn:train",
                {"size": size.name},
                SEQUENCE_LENGTH * size.steps,
            )
        )
    return programs

"""RNN, GRU and LSTM on fused C++ kernels, and kernels for others' cells. Importing this module imports no torch."""

from typing import TYPE_CHECKING, Any

from seqforge.registry import Register, hookimpl

if TYPE_CHECKING:
    from seqforge.interfaces import Diagnosis, FactoredCell, SequenceReader

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Name the cells; `qualified_only`, since each is another implementation of a well-known name."""
    register.cell("rnn", "seqforge_native.rnn:RNN", qualified_only=True)
    register.cell("gru", "seqforge_native.gru:GRU", qualified_only=True)
    register.cell("lstm", "seqforge_native.lstm:LSTM", qualified_only=True)


@hookimpl
def seqforge_sequence_reader(cell: "FactoredCell[Any]") -> "SequenceReader | None":
    """Make a kernel for a factored cell, where `training.compile` asks for it."""
    from seqforge_native.traced.reader import sequence_reader

    return sequence_reader(cell)


@hookimpl
def seqforge_diagnose() -> "list[Diagnosis]":
    """Say which kernels are used."""
    from seqforge_native.diagnosis import diagnose

    return [diagnose()]

"""RNN, GRU and LSTM on fused C++ kernels. This module names them; importing it imports no torch."""

from typing import TYPE_CHECKING

from seqforge.registry import Register, hookimpl

if TYPE_CHECKING:
    from seqforge.interfaces import Diagnosis

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Name the cells; `qualified_only`, since each is another implementation of a well-known name."""
    register.cell("rnn", "seqforge_native.rnn:RNN", qualified_only=True)
    register.cell("gru", "seqforge_native.gru:GRU", qualified_only=True)
    register.cell("lstm", "seqforge_native.lstm:LSTM", qualified_only=True)


@hookimpl
def seqforge_diagnose() -> "list[Diagnosis]":
    """Say which kernels are used."""
    from seqforge_native.diagnosis import diagnose

    return [diagnose()]

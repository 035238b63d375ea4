"""minGRU and minLSTM, whose recurrences are linear. This module names them; importing it imports no torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Name the cells."""
    register.cell("min-gru", "seqforge_parallel_cells.min_gru:MinGRU")
    register.cell("min-lstm", "seqforge_parallel_cells.min_lstm:MinLSTM")

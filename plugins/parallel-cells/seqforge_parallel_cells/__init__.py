"""Cells without a recurrent product. Importing this module registers names and does not import torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the cells."""
    register.add("cell", "ind-rnn", "seqforge_parallel_cells.ind_rnn:IndRNN")
    register.add("cell", "min-gru", "seqforge_parallel_cells.cells:MinGRU")
    register.add("cell", "min-lstm", "seqforge_parallel_cells.cells:MinLSTM")
    register.add("cell", "qrnn", "seqforge_parallel_cells.qrnn:QRNN")
    register.add("cell", "rg-lru", "seqforge_parallel_cells.rg_lru:RGLRU")
    register.add("cell", "sru", "seqforge_parallel_cells.sru:SRU")

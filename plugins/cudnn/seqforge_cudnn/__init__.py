"""RNN, GRU and LSTM on torch's fused kernels. This module names them; importing it imports no torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Name the cells; `qualified_only`, since each is another implementation of a well-known name."""
    register.cell("rnn", "seqforge_cudnn.rnn:RNN", qualified_only=True)
    register.cell("gru", "seqforge_cudnn.gru:GRU", qualified_only=True)
    register.cell("lstm", "seqforge_cudnn.lstm:LSTM", qualified_only=True)

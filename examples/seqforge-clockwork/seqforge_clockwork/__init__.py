"""Clockwork RNNs for seqforge. Every seqforge command imports this module, so it does not import torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the cell, by the import path of its class."""
    register.add("cell", "clockwork", "seqforge_clockwork.cell:ClockworkRNN")

"""Clockwork RNNs for seqforge. Every seqforge command imports this module, so it does not import torch."""

SEQFORGE_API = 1

COMPONENTS = {"cell": {"clockwork": "seqforge_clockwork.cell:ClockworkRNN"}}

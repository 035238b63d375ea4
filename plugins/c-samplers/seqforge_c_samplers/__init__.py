"""Samplers that prevent errors in generated C. Importing this module does not import torch."""

from __future__ import annotations

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the name and the location of every component."""
    register.add("sampler", "balanced", "seqforge_c_samplers.checked:Balanced")
    register.add("sampler", "scoped", "seqforge_c_samplers.scoped:Scoped")

"""A plugin that shares names with another, and has two components that cannot be used."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    register.cell("gru", "sample_components:GRU")
    register.cell("lstm", "sample_components:LSTM", qualified_only=True)
    register.cell("minimal", "sample_components:GRU", qualified_only=True)
    register.cell("gone", "sample_module_that_is_gone:Gone")
    register.sampler("untyped", "sample_components:Untyped")
    register.sampler("by-mode", "sample_components:ByMode")

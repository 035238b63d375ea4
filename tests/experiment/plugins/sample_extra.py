"""A plugin that shares names with another, and has two components that cannot be used."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    register.add("cell", "gru", "sample_components:GRU")
    register.add("cell", "lstm", "sample_components:LSTM")
    register.add("cell", "minimal", "sample_components:GRU")
    register.add("cell", "gone", "sample_module_that_is_gone:Gone")
    register.add("sampler", "untyped", "sample_components:Untyped")
    register.add("sampler", "by-mode", "sample_components:ByMode")

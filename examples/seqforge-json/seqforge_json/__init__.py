"""JSON for seqforge: a corpus of JSON Lines, and a metric. Every seqforge command imports this module."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the components, by the import path of their classes."""
    register.add("corpus", "json-values", "seqforge_json.corpus:JsonValues")
    register.add("metric", "valid-json", "seqforge_json.metric:ValidJson")

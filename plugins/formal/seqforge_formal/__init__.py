"""Tasks that show what a recurrence can compute. Importing this module imports neither torch nor numpy."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the corpus and the metric."""
    register.add("corpus", "formal-task", "seqforge_formal.corpus:FormalTask")
    register.add("metric", "by-length", "seqforge_formal.by_length:ByLength")

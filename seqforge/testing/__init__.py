"""Conformance suites and hypothesis strategies for plugin authors. They need the extra `seqforge-core[testing]`."""

try:
    from seqforge.testing.attention_suite import AttentionFactory, AttentionSuite
    from seqforge.testing.backend_suite import BackendCase, BackendSuite
    from seqforge.testing.cell_suite import CellSuite
    from seqforge.testing.strategies import CellCase, CellFactory, cell_cases, seeds, sequences, sizes
except ModuleNotFoundError as error:
    if error.name not in {"hypothesis", "pytest"}:
        raise
    raise ImportError(
        f"seqforge.testing needs {error.name}, which the extra `testing` installs: pip install 'seqforge-core[testing]'"
    ) from error

__all__ = [
    "AttentionFactory",
    "AttentionSuite",
    "BackendCase",
    "BackendSuite",
    "CellCase",
    "CellFactory",
    "CellSuite",
    "cell_cases",
    "seeds",
    "sequences",
    "sizes",
]

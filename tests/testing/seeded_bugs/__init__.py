"""Components of every kind that are wrong in one way each."""

from seeded_bugs import (
    attentions,
    backends,
    cell_memory,
    cell_sizes,
    cell_types,
    cells,
    corpora,
    exporters,
    labelled_corpora,
    losses,
    metrics,
    sampling,
    trackers,
    training,
    vocabularies,
)
from seeded_bugs.bug import BUGS as ALL_BUGS

MODULES = (
    cells,
    cell_sizes,
    cell_types,
    cell_memory,
    attentions,
    backends,
    corpora,
    labelled_corpora,
    vocabularies,
    losses,
    training,
    sampling,
    metrics,
    trackers,
    exporters,
)
BUGS = tuple(bug for module in MODULES for bug in ALL_BUGS if bug.component.__module__ == module.__name__)

"""Components of every kind that are wrong in one way each."""

from seeded_bugs import (
    cell_memory,
    cell_types,
    cells,
    corpora,
    layers,
    metrics,
    sampling,
    trackers,
    training,
    vocabularies,
)

BUGS = tuple(
    bug
    for module in (
        cells,
        cell_types,
        cell_memory,
        layers,
        corpora,
        vocabularies,
        training,
        sampling,
        metrics,
        trackers,
    )
    for bug in module.BUGS
)

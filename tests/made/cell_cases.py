"""A strategy of hypothesis for cases of cells."""

from hypothesis import strategies
from hypothesis.strategies import SearchStrategy

from seqforge.testing.cell_case import CaseSizes, CellCase, CellFactory, build_case


def cell_cases(make_cell: CellFactory, *, time: SearchStrategy[int] | None = None) -> SearchStrategy[CellCase]:
    """Return a hypothesis strategy for cases of small sizes of a cell, for tests of your own.

    Args:
        make_cell: Function that returns a cell.
        time: Strategy for the number of steps; from 1 to 5 by default.
    """
    size, seed = strategies.integers(1, 5), strategies.integers(0, 2**16)
    sizes = strategies.builds(CaseSizes, size if time is None else time, size, size, size, seed, strategies.just(1.0))
    return sizes.map(lambda found: build_case(make_cell, found))

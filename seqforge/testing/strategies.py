"""Hypothesis strategies for sizes, sequences and cells."""

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from seqforge.testing.cell_case import CaseSizes, CellCase, CellFactory, build_case

# A type that can be checked at run time, in contrast to the protocol `DrawFn` of hypothesis.
Draw = Callable[[SearchStrategy[Any]], Any]


def sizes(largest: int = 5) -> SearchStrategy[int]:
    """Return a strategy for numbers of features, rows or steps: from 1 to `largest`."""
    return strategies.integers(1, largest)


def seeds() -> SearchStrategy[int]:
    """Return a strategy for seeds of random generators."""
    return strategies.integers(0, 2**16)


@strategies.composite
def sequences(
    draw: Draw,
    features: int,
    *,
    time: SearchStrategy[int] | None = None,
    batch: SearchStrategy[int] | None = None,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Draw a sequence `[time, batch, features]` of normally distributed numbers.

    The numbers of steps and rows are drawn from `sizes()` by default.
    """
    shape = (draw(sizes() if time is None else time), draw(sizes() if batch is None else batch), features)
    generator = torch.Generator().manual_seed(draw(seeds()))
    return torch.randn(shape, generator=generator, dtype=dtype)


@strategies.composite
def case_sizes(
    draw: Draw,
    *,
    time: SearchStrategy[int] | None = None,
    batch: SearchStrategy[int] | None = None,
    features: SearchStrategy[int] | None = None,
) -> CaseSizes:
    """Draw the sizes of a case. All strategies are `sizes()` by default. `features` draws both sizes of the cell."""
    time, batch, features = (sizes() if strategy is None else strategy for strategy in (time, batch, features))
    return CaseSizes(draw(time), draw(batch), draw(features), draw(features), draw(seeds()))


def cell_cases(
    make_cell: CellFactory,
    *,
    time: SearchStrategy[int] | None = None,
    batch: SearchStrategy[int] | None = None,
    features: SearchStrategy[int] | None = None,
) -> SearchStrategy[CellCase]:
    """Return a strategy for a cell of any size in evaluation mode, with a sequence and a state to start from.

    All strategies are `sizes()` by default. `features` draws the input size and the hidden size, which `make_cell` may
    round up.
    """
    drawn = case_sizes(time=time, batch=batch, features=features)
    return drawn.map(lambda found: build_case(make_cell, found))

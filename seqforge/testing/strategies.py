"""Hypothesis strategies for sizes, sequences and cells."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from hypothesis import strategies
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from seqforge.kinds import Cell, State, scan

CellFactory = Callable[[int, int], Cell[Any]]
"""Function that returns a cell for an input size and a hidden size: a class or `functools.partial(Class, option=…)`."""

# A type that can be checked at run time, in contrast to the protocol `DrawFn` of hypothesis.
Draw = Callable[[SearchStrategy[Any]], Any]


class CellCase(NamedTuple):
    """A cell, an input sequence, and a state to start from, all in float64.

    Attributes:
        cell: Cell in evaluation mode.
        inputs: Sequence `[time, batch, input]`.
        state: State of the cell after another sequence, so that its values are not zero.
    """

    cell: Cell[Any]
    inputs: Tensor
    state: State


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


class CaseSizes(NamedTuple):
    """Sizes and seed of a case. Together with the function that returns the cell, they determine the case.

    Attributes:
        steps: Number of steps of the sequence.
        rows: Number of sequences in the batch.
        input_size: Input size that the function receives. It may round the sizes up.
        hidden_size: Hidden size that the function receives.
        seed: Seed of the parameters, the inputs and the state.
    """

    steps: int
    rows: int
    input_size: int
    hidden_size: int
    seed: int = 0


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


def build_case(make_cell: CellFactory, sizes_of_case: CaseSizes) -> CellCase:
    """Return the case that has these sizes and this seed."""
    steps, rows, input_size, hidden_size, seed = sizes_of_case
    cell = new_cell(make_cell, input_size, hidden_size, seed)
    generator = torch.Generator().manual_seed(seed)
    earlier, inputs = (
        torch.randn(length, rows, cell.input_size, generator=generator, dtype=torch.float64) for length in (3, steps)
    )
    with torch.no_grad():
        _, state = scan(cell.step, cell.project(earlier), cell.initial_state(rows))
    return CellCase(cell, inputs, state)


def new_cell(make_cell: CellFactory, input_size: int, hidden_size: int, seed: int) -> Cell[Any]:
    """Return a cell in float64 and evaluation mode, with parameters that depend only on the seed.

    Noise is added to each parameter, because a value such as a bias of 0 can hide a mistake.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        cell = make_cell(input_size, hidden_size).double().eval()
        for parameter in cell.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return cell

"""hypothesis strategies: sizes, sequences, and cells in the middle of reading."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from hypothesis import strategies
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from seqforge.interfaces import Cell, State, scan

CellFactory = Callable[[int, int], Cell[Any]]
"""Makes a cell, given its input size and its hidden size: a cell's class, or `functools.partial(Class, option=…)`."""

# hypothesis's own DrawFn is a protocol that cannot be checked at run time.
Draw = Callable[[SearchStrategy[Any]], Any]


class CellCase(NamedTuple):
    """A cell in float64, a sequence that it can read, and the state to read it from.

    Attributes:
        cell: The cell.
        inputs: `[time, batch, input]`.
        state: A state that the cell comes to by reading another sequence, so that nothing in it is zero by chance.
    """

    cell: Cell[Any]
    inputs: Tensor
    state: State


def sizes(largest: int = 5) -> SearchStrategy[int]:
    """Give counts of features, rows or steps, from 1.

    Args:
        largest: The largest of them.
    """
    return strategies.integers(1, largest)


def seeds() -> SearchStrategy[int]:
    """Give seeds of random generators."""
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
    """Give sequences `[time, batch, features]` of normally distributed numbers.

    Args:
        draw: Supplied by hypothesis.
        features: Features of a step.
        time: Steps; by default `sizes()`.
        batch: Rows; by default `sizes()`.
        dtype: The tensor's type.
    """
    shape = (draw(sizes() if time is None else time), draw(sizes() if batch is None else batch), features)
    generator = torch.Generator().manual_seed(draw(seeds()))
    return torch.randn(shape, generator=generator, dtype=dtype)


@strategies.composite
def cell_cases(
    draw: Draw,
    make_cell: CellFactory,
    *,
    time: SearchStrategy[int] | None = None,
    batch: SearchStrategy[int] | None = None,
    features: SearchStrategy[int] | None = None,
) -> CellCase:
    """Give cells of any size in evaluation mode, each with a sequence to read and a state to start from.

    Args:
        draw: Supplied by hypothesis.
        make_cell: Makes a cell. It may round the sizes that it is given: the cell's own attributes are what counts.
        time: Steps of the sequence; by default `sizes()`.
        batch: Rows; by default `sizes()`.
        features: The input size and the hidden size; by default `sizes()`.
    """
    features = sizes() if features is None else features
    cell = new_cell(make_cell, draw(features), draw(features), draw(seeds()))
    inputs = draw(sequences(cell.input_size, time=time, batch=batch))
    earlier = draw(sequences(cell.input_size, batch=strategies.just(inputs.shape[1])))
    with torch.no_grad():
        _, state = scan(cell.step, cell.project(earlier), cell.initial_state(inputs.shape[1]))
    return CellCase(cell, inputs, state)


def new_cell(make_cell: CellFactory, input_size: int, hidden_size: int, seed: int) -> Cell[Any]:
    """Make a cell in float64 and evaluation mode, with parameters that depend on the seed alone.

    Each parameter is moved a little, so that none sits where a mistake would not show, such as a bias at zero.

    Args:
        make_cell: Makes a cell.
        input_size: Features a step reads.
        hidden_size: Features a step writes.
        seed: Of the parameters.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        cell = make_cell(input_size, hidden_size).double().eval()
        for parameter in cell.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return cell

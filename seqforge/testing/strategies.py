"""Hypothesis strategies for sizes, sequences and cells, and the parametrization of the suites."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import strategies
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from seqforge.interfaces import Cell, State, scan

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


@strategies.composite
def cell_cases(
    draw: Draw,
    make_cell: CellFactory,
    *,
    time: SearchStrategy[int] | None = None,
    batch: SearchStrategy[int] | None = None,
    features: SearchStrategy[int] | None = None,
) -> CellCase:
    """Draw a cell of any size in evaluation mode, with a sequence and a state to start from.

    All strategies are `sizes()` by default. `features` draws the input size and the hidden size, which `make_cell` may
    round up.
    """
    features = sizes() if features is None else features
    cell = new_cell(make_cell, draw(features), draw(features), draw(seeds()))
    inputs = draw(sequences(cell.input_size, time=time, batch=batch))
    earlier = draw(sequences(cell.input_size, batch=strategies.just(inputs.shape[1])))
    with torch.no_grad():
        _, state = scan(cell.step, cell.project(earlier), cell.initial_state(inputs.shape[1]))
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


def run_on_each(suite: object, metafunc: pytest.Metafunc, table: str, argument: str, example: str) -> None:
    """Run a test of a suite with every function that its subclass lists.

    Args:
        suite: Instance of the subclass.
        metafunc: Test that is being collected.
        table: Name of the attribute that maps names to functions.
        argument: Argument of the test that receives a function.
        example: Example of a function, for the error message.

    Raises:
        UsageError: If the subclass lists no function.
    """
    functions = getattr(suite, table, {})
    if not functions:
        raise pytest.UsageError(f"{type(suite).__name__} must list its {table}: {table} = {{'plain': {example}}}")
    if argument in metafunc.fixturenames:
        metafunc.parametrize(argument, list(functions.values()), ids=list(functions))

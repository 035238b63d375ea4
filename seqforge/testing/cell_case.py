"""A cell with a sequence and a state: its results by name, their gradients, and strategies that draw such cases."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from hypothesis import strategies
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from seqforge.kinds import Cell, State, map_state, scan
from seqforge.kinds.cell import named_state

CellFactory = Callable[[int, int], Cell[Any]]
"""Function that returns a cell for an input size and a hidden size: a class or `functools.partial(Class, option=…)`."""

CellResult = tuple[Tensor, State]
"""Outputs `[time, batch, hidden]` of a cell, and the state after the last step."""

Read = Callable[[Cell[Any], Tensor, State], CellResult]
"""Function that reads a sequence with a cell."""

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


class CaseSizes(NamedTuple):
    """Sizes and seed of a case. Together with the function that returns the cell, they determine the case.

    Attributes:
        steps: Number of steps of the sequence.
        rows: Number of sequences in the batch.
        input_size: Input size that the function receives. It may round the sizes up.
        hidden_size: Hidden size that the function receives.
        seed: Seed of the parameters, the inputs and the state.
        scale: Factor of the inputs, and so of the gates.
    """

    steps: int
    rows: int
    input_size: int
    hidden_size: int
    seed: int = 0
    scale: float = 1.0

    def __str__(self) -> str:
        counts = f"{self.steps} steps, {self.rows} rows, input size {self.input_size}, hidden size {self.hidden_size}"
        return counts if self.scale == 1 else f"{counts}, inputs scaled by {self.scale:g}"


def build_case(make_cell: CellFactory, sizes_of_case: CaseSizes) -> CellCase:
    """Return the case that has these sizes and this seed."""
    steps, rows, input_size, hidden_size, seed, scale = sizes_of_case
    cell = new_cell(make_cell, input_size, hidden_size, seed)
    generator = torch.Generator().manual_seed(seed)
    earlier, inputs = (
        torch.randn(length, rows, cell.input_size, generator=generator, dtype=torch.float64) for length in (3, steps)
    )
    with torch.no_grad():
        _, state = scan(cell.step, cell.project(earlier), cell.initial_state(rows))
    return CellCase(cell, scale * inputs, state)


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


def results_of(result: CellResult) -> dict[str, Tensor]:
    """Return the outputs and the tensors of the last state, by the names that messages give them."""
    outputs, state = result
    return {"the output": outputs, **named_state(state)}


def rows_of(state: State, rows: slice) -> State:
    """Return some rows of a state."""
    return map_state(lambda tensor: tensor[rows], state)


def with_gradients(case: CellCase) -> tuple[CellCase, dict[str, Tensor]]:
    """Return a case whose inputs and state are leaves of a new graph, and all leaves by name."""
    inputs = case.inputs.detach().clone().requires_grad_(case.inputs.is_floating_point())
    state = map_state(lambda tensor: tensor.detach().clone().requires_grad_(tensor.is_floating_point()), case.state)
    leaves = {"the input": inputs, **named_state(state)}
    leaves |= {f"`{name}`": parameter for name, parameter in case.cell.named_parameters()}
    leaves = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    return CellCase(case.cell, inputs, state), leaves


def weighted_sum(result: CellResult) -> Tensor:
    """Return a sum of outputs and state in which every number has a different weight."""
    total = torch.zeros((), dtype=torch.float64, device=result[0].device)
    for tensor in (result[0], *result[1]):
        if tensor.is_floating_point():
            weights = torch.linspace(0.5, 1.5, tensor.numel(), dtype=torch.float64, device=tensor.device)
            total = total + (tensor.double() * weights.view_as(tensor)).sum()
    return total


def gradients_of(case: CellCase, read: Read) -> dict[str, Tensor]:
    """Return the gradients of the weighted sum of the results, by the names of the leaves."""
    case, leaves = with_gradients(case)
    total = weighted_sum(read(case.cell, case.inputs, case.state))
    if not total.requires_grad:
        return {f"the gradient of {name}": torch.zeros_like(leaf) for name, leaf in leaves.items()}
    gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return {f"the gradient of {name}": gradient for name, gradient in zip(leaves, gradients, strict=True)}


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

"""A cell of some sizes with a random sequence, and the comparison of its results with others up to rounding."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqforge.kinds import Cell, State, map_state
from seqforge.kinds.cell_results import CellCase, Parts, read_steps
from seqforge.testing.conformance import ConformanceError, require_equal

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

CellFactory = Callable[[int, int], Cell[Any]]
"""Function that returns a cell for an input size and a hidden size: a class or `functools.partial(Class, option=…)`."""

_ROUNDING = 1e-15
"""Relative error of numbers that shows how much rounding changes the results of a cell in float64."""


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


def build_case(make_cell: CellFactory, sizes: CaseSizes) -> CellCase:
    """Return the case that has these sizes and this seed, in float64 and in evaluation mode."""
    steps, rows, input_size, hidden_size, seed, scale = sizes
    cell = new_cell(make_cell, input_size, hidden_size, seed)
    generator = torch.Generator().manual_seed(seed)
    earlier, inputs = (
        torch.randn(length, rows, cell.input_size, generator=generator, dtype=torch.float64) for length in (3, steps)
    )
    with torch.no_grad():
        _, state = read_steps(cell, earlier, cell.initial_state(rows))
    return CellCase(cell, scale * inputs, state)


def new_cell(make_cell: CellFactory, input_size: int, hidden_size: int, seed: int) -> Cell[Any]:
    """Return a cell in float64 and evaluation mode, with parameters that depend only on the seed.

    Noise is added to each parameter, because a value such as a bias of 0 can hide a mistake. In a large matrix it is
    smaller, so that the state does not become chaotic.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        cell = make_cell(input_size, hidden_size).double().eval()
        for parameter in cell.parameters():
            columns = parameter.shape[-1] if parameter.ndim > 1 else 1
            parameter.add_(torch.randn_like(parameter), alpha=min(0.1, 0.3 * columns**-0.5))
    return cell


def rows_of(state: State, rows: slice) -> State:
    """Return some rows of a state."""
    return map_state(lambda tensor: tensor[rows], state)


def require_same(case: CellCase, problem: str, actual: Parts, compute: Callable[[CellCase], Parts]) -> None:
    """Check that results are those of a function of the case, up to rounding.

    If they are not, the function computes them again with errors of a few roundings in all numbers. So the bound is
    wide for a cell that is ill-conditioned, such as a chaotic one after many steps.

    Args:
        case: The case.
        problem: What a difference means. `{part}` stands for the name of the result that differs.
        actual: Results of the cell.
        compute: Function that computes the results that the interface requires.

    Raises:
        ConformanceError: If a result differs.
    """
    expected = compute(case)
    try:
        require_equal(case.cell, problem, actual, expected)
    except ConformanceError:
        changed = compute(perturbed(case, _ROUNDING))
        slack = {part: _spread(changed[part], wanted) for part, wanted in expected.items()}
        require_equal(case.cell, problem, actual, expected, slack=slack)


def perturbed(case: CellCase, size: float) -> CellCase:
    """Return a case in which each number of the parameters, the inputs and the state has a small relative error."""
    generator = torch.Generator().manual_seed(7)

    def change(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        return tensor * (1 + size * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype))

    cell = copy.deepcopy(case.cell)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(change(parameter))
    return CellCase(cell, change(case.inputs), map_state(change, case.state))


def _spread(changed: Tensor, expected: Tensor) -> Tensor:
    """Return a hundred times the largest difference: of each step for outputs, otherwise of all numbers."""
    difference = (changed - expected).detach().double().abs()
    axes = tuple(range(difference.ndim == 3, difference.ndim))
    return 100 * (difference.amax(axes, keepdim=True) if axes else difference)

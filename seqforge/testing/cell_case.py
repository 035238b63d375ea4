"""Cases of many sizes of a cell for a check, and a description of the sizes at which it fails."""

import copy
import functools
import time as clock
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqforge.kinds import Cell, State, map_state, scan
from seqforge.kinds.cell import initial_state_fault, named_state
from seqforge.testing.cell_tensors import registration_fault, type_fault
from seqforge.testing.conformance import ConformanceError, Parts, describe_error, name_like, name_of, require_equal

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

CellFactory = Callable[[int, int], Cell[Any]]
"""Function that returns a cell for an input size and a hidden size: a class or `functools.partial(Class, option=…)`."""

CellResult = tuple[Tensor, State]
"""Outputs `[time, batch, hidden]` of a cell, and the state after the last step."""

Read = Callable[[Cell[Any], Tensor, State], CellResult]
"""Function that reads a sequence with a cell."""

_ROUNDING = 1e-15
"""Relative error of numbers that shows how much rounding changes the results of a cell in float64."""


class CellCase(NamedTuple):
    """A cell, an input sequence, and a state to start from.

    Attributes:
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


def read_forward(cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
    """Return the outputs and the last state of a cell by a call of it."""
    return cell(inputs, state)


def read_steps(cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
    """Return the outputs and the last state of a cell by the scan of its step."""
    return scan(cell.step, cell.project(inputs), state)


def results_of(result: CellResult) -> Parts:
    """Return the outputs and the tensors of the last state, by the names that messages give them."""
    outputs, state = result
    return {"the output": outputs, **named_state(state)}


def results_with_gradients(case: CellCase, read: Read = read_forward) -> Parts:
    """Return the results of a case, and the gradient of their weighted sum for every leaf, by name."""
    case, leaves = with_gradients(case)
    result = read(*case)
    total = weighted_sum(result)
    gradients = [torch.zeros_like(leaf) for leaf in leaves.values()]
    if total.requires_grad:
        gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return results_of(result) | {
        f"the gradient of {name}": gradient for name, gradient in zip(leaves, gradients, strict=True)
    }


def with_gradients(case: CellCase) -> tuple[CellCase, Parts]:
    """Return a case whose inputs and state are leaves of a new graph, and all leaves by name."""

    def leaf_of(tensor: Tensor) -> Tensor:
        return tensor.detach().clone().requires_grad_(tensor.is_floating_point())

    inputs, state = leaf_of(case.inputs), map_state(leaf_of, case.state)
    leaves = {"the input": inputs, **named_state(state)}
    leaves |= {f"`{name}`": parameter for name, parameter in case.cell.named_parameters()}
    return CellCase(case.cell, inputs, state), {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}


def weighted_sum(result: CellResult) -> Tensor:
    """Return a sum of outputs and state in which every number has a different weight."""
    total = torch.zeros((), dtype=torch.float64, device=result[0].device)
    for tensor in (result[0], *result[1]):
        if tensor.is_floating_point():
            weights = torch.linspace(0.5, 1.5, tensor.numel(), dtype=torch.float64, device=tensor.device)
            total = total + (tensor.double() * weights.view_as(tensor)).sum()
    return total


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
        torch.default_generator.manual_seed(seed)
        cell = make_cell(input_size, hidden_size).double().eval()
        for parameter in cell.parameters():
            columns = parameter.shape[-1] if parameter.ndim > 1 else 1
            parameter.add_(torch.randn_like(parameter), alpha=min(0.1, 0.3 * columns**-0.5))
    return cell


def rows_of(state: State, rows: slice) -> State:
    """Return some rows of a state."""
    return map_state(lambda tensor: tensor[rows], state)


def sliced(state: State) -> State:
    """Return an equal state that is not contiguous: every other row of a larger batch."""
    return map_state(lambda part: torch.stack([part, part], dim=1).flatten(0, 1)[::2], state)


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


TYPICAL = CaseSizes(5, 3, 4, 6)
"""Sizes that are tried first. They differ, so that a message about a shape shows which axis is wrong."""

SMALL = (
    TYPICAL,
    CaseSizes(1, 1, 1, 1, seed=1),
    CaseSizes(2, 1, 3, 2, seed=2),
    CaseSizes(9, 5, 2, 1, seed=3),
    CaseSizes(3, 2, 1, 5, seed=4),
)
"""Small sizes, with each of them 1."""

LARGE = (
    CaseSizes(129, 2, 5, 32, scale=10.0),
    CaseSizes(3, 40, 33, 256, scale=0.1),
    CaseSizes(65, 3, 9, 65),
)
"""Sizes at which a faster implementation may take another path: chunks of steps, blocks of units, full vectors."""

_SECONDS = 15.0
"""Processor time after which no further cases are tried to describe a failure."""


def each_case(*sizes: CaseSizes) -> Callable[[Callable[[Any, CellCase], None]], Callable[..., None]]:
    """Convert a method that checks one case to a test of a cell at these sizes, or at small ones if there are none."""

    def decorate(check: Callable[[Any, CellCase], None]) -> Callable[..., None]:
        def test(suite: Any, make: CellFactory) -> None:
            for_each_case(make, functools.partial(check, suite), sizes or SMALL)

        return name_like(test, check)

    return decorate


def for_each_case(
    make_cell: CellFactory, check: Callable[[CellCase], None], sizes: Sequence[CaseSizes], subject: Any = None
) -> None:
    """Run a check on cases of a cell, and describe the first failure in the terms of the cell's author.

    Raises:
        ConformanceError: If the check fails.
    """

    def failure_at(one: CaseSizes) -> ConformanceError | None:
        """Return the failure of one case. An exception is described by a more basic mistake, if there is one."""
        try:
            check(build_case(make_cell, one))
        except ConformanceError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the message describes it
            failure = describe_error(subject or make_cell, error)
            with suppress(ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
                cell = new_cell(make_cell, 3, 4, seed=0)
                fault = registration_fault(cell) or initial_state_fault(cell, 2) or type_fault(cell)
                failure = ConformanceError(f"{name_of(cell)}: {fault}") if fault else failure
            return failure
        return None

    for one in sizes:
        if error := failure_at(one):
            where = "but not in every call: the cell may be random"
            if failure_at(one):
                where = _failing_sizes(lambda other: failure_at(other) is not None, one)
            raise ConformanceError(f"{error}{where and f' ({where})'}, with {one}") from None


def _failing_sizes(fails: Callable[[CaseSizes], bool], sizes: CaseSizes) -> str:
    """Return at which batch sizes and lengths a check fails, such as "wrong above batch 16", or "" if at all."""
    found: list[str] = []
    stop = clock.process_time() + _SECONDS
    # Few units say nothing about blocks of units.
    for name, field, least in (("batch", "rows", 1), ("length", "steps", 2), ("hidden size", "hidden_size", 6)):
        largest: int = getattr(sizes, field)

        def fails_at(number: int, field: str = field) -> bool:
            return fails(sizes._replace(**{field: number}))

        if largest == 1 and field != "hidden_size" and not fails_at(2) and not fails_at(3):
            found.append(f"wrong at {name} 1")
        elif largest > max(least, 2) and not fails_at(least):
            works, wrong = least, largest
            while wrong - works > 1 and clock.process_time() < stop:
                middle = (works + wrong) // 2
                works, wrong = (works, middle) if fails_at(middle) else (middle, wrong)
            found.append(f"wrong above {name} {works}" if wrong - works == 1 else f"wrong at {name} {wrong}")
    return " and ".join(found)

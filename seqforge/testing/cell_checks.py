"""The longer checks of the suite of cells. Each raises `ConformanceError` with one sentence about the cell."""

import copy
import functools
import inspect
from typing import Any, cast

import torch
from torch import Tensor, nn

from seqforge.kinds import Cell, map_state
from seqforge.kinds.cell import named_state
from seqforge.kinds.cell_contract import state_change
from seqforge.model.initial_states import read_documents
from seqforge.testing.cell_case import (
    CaseSizes,
    CellCase,
    CellFactory,
    CellResult,
    build_case,
    new_cell,
    perturbed,
    read_forward,
    require_same,
    results_of,
    results_with_gradients,
    rows_of,
    weighted_sum,
    with_gradients,
)
from seqforge.testing.cell_tensors import detached_place
from seqforge.testing.conformance import (
    GLOBAL_SEED,
    ConformanceError,
    Parts,
    fail,
    name_of,
    require_equal,
    require_no_fault,
)

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

_DIFFERENCE = 1e-6
_STEPS = 10_000
_FEW_STEPS = 2_000
_CHUNK = 100
_ROWS = 32
_LENGTHS = (1, 15, 63, 64, 65, 129, 300)
_LONG = CaseSizes(300, 2, 5, 32)


def require_sizes(make_cell: CellFactory) -> None:
    """Check that the function returns the same size twice, and that its cells use the option `hidden_size`."""
    one, other = (new_cell(make_cell, 3, 4, seed) for seed in (0, 1))
    with torch.random.fork_rng(devices=[]):
        seed = torch.seed()
        make_cell(3, 4)
        if torch.initial_seed() != seed:
            fail(one, GLOBAL_SEED)
    shapes = [{name: list(part.shape) for name, part in cell.named_parameters()} for cell in (one, other)]
    if shapes[0] != shapes[1] or one.hidden_size != other.hidden_size:
        problem = "the function in the table returns another size in a second call"
        fail(one, problem, expected=f"{shapes[0]} for the same sizes", got=shapes[1])
    takes_size = "hidden_size" in inspect.signature(type(one).__init__).parameters
    given = make_cell.keywords if isinstance(make_cell, functools.partial) else {}
    is_wrapped = name_of(make_cell) != type(one).__name__ or "hidden_size" in given
    if takes_size and not is_wrapped and make_cell(3, 128).hidden_size == one.hidden_size:
        fail(one, "`__init__` ignores `hidden_size`", expected="128 units", got=one.hidden_size)


def require_float32(case: CellCase) -> None:
    """Check that results in float32 have this type, and differ from those in float64 by a few errors of rounding only.

    How much one error of rounding changes depends on the cell. So the bound is wide for an ill-conditioned cell, such
    as one with layer normalization.
    """
    narrow, inputs = copy.deepcopy(case.cell).float(), case.inputs.float()
    start = narrow.initial_state(inputs.shape[1])
    outputs, after = narrow(inputs, start)
    when = "after a cast to torch.float32"
    require_no_fault(narrow, state_change(start, after, when))
    if outputs.dtype != torch.float32:
        fail(narrow, f"{when} the outputs have another type", expected=torch.float32, got=outputs.dtype)
    cell = copy.deepcopy(narrow).double()
    wide = CellCase(cell, inputs.double(), cell.initial_state(inputs.shape[1]))
    with torch.no_grad():
        expected = results_of(read_forward(*wide))
        changed = results_of(read_forward(*perturbed(wide, torch.finfo(torch.float32).eps)))
        without = results_of(narrow(inputs, start))
    for how, actual in {"": results_of((outputs, after)), " without gradients": without}.items():
        for part, wanted in expected.items():
            if wanted.is_floating_point():
                allowed = 50 * (changed[part] - wanted).abs().max() + 1e-5 * (1 + wanted.abs().max())
                error = (actual[part].detach().double() - wanted).abs().max()
                if not error <= allowed:
                    problem = (
                        f"in float32{how}, {part} differs from that in float64 by more than rounding: a step rounds to "
                        "a narrower type, or takes another path"
                    )
                    fail(narrow, problem, expected=f"at most {allowed.item():.2g}", got=f"{error.item():.2g}")


def require_constraints(make_cell: CellFactory) -> None:
    """Constrain the parameters of a cell, from large ones and from zeros."""
    for factor in (100.0, 0.0):
        cell = new_cell(make_cell, 3, 4, seed=0)
        before = dict(cell.named_parameters())
        with torch.no_grad():
            for parameter in before.values():
                parameter.mul_(factor)
            shapes = {name: list(parameter.shape) for name, parameter in before.items()}
            cell.constrain_parameters()
            once = {f"`{name}`": parameter.clone() for name, parameter in cell.named_parameters()}
            cell.constrain_parameters()
        for name, parameter in cell.named_parameters():
            problem = f"`constrain_parameters` replaces `{name}`"
            if parameter is not before.get(name):
                fail(cell, f"{problem}, which the optimizer does not notice", expected="a change in place")
            if list(parameter.shape) != shapes[name]:
                fail(cell, f"{problem} by another shape", expected=shapes[name], got=list(parameter.shape))
            if not parameter.isfinite().all():
                fail(cell, f"`constrain_parameters` leaves numbers in `{name}` that are not finite")
        twice = {f"`{name}`": parameter.detach() for name, parameter in cell.named_parameters()}
        require_equal(cell, "a second call of `constrain_parameters` changes {part}", twice, once, tolerance=0.0)


def require_gradients(case: CellCase) -> None:
    """Check the gradient of each leaf in a random direction against central differences, unless the results jump."""
    results = results_with_gradients(case)
    _, leaves = with_gradients(case)
    generator = torch.Generator().manual_seed(5)
    wrong: dict[str, tuple[float, float]] = {}
    for name, leaf in leaves.items():
        direction = torch.randn(leaf.shape, generator=generator, dtype=torch.float64)
        slopes: list[float] = []
        for size in (_DIFFERENCE, _DIFFERENCE / 10):
            above, below = (_sum_at(case, name, leaf.detach() + sign * size * direction) for sign in (1, -1))
            slopes.append((above - below) / (2 * size))
        expected, got = slopes[0], (results[f"the gradient of {name}"] * direction).sum().item()
        jumps = abs(slopes[1]) > 5 * abs(expected) > 1e3  # As a counter that starts again does.
        if not jumps and not abs(got - expected) <= 1e-5 * (1 + abs(expected)):
            wrong[name] = expected, got
    for expected, got in wrong.values():
        fail(
            case.cell,
            f"the gradient of {', '.join(wrong)} is wrong{detached_place(*case)}",
            expected=f"a slope of {expected:.6g}, by finite differences",
            got=f"{got:.6g}",
        )


def _sum_at(case: CellCase, name: str, value: Tensor) -> float:
    """Return the weighted sum of the results, with another value for one leaf."""
    inputs = value if name == "the input" else case.inputs
    state = type(case.state)(*(value if name == part else old for part, old in named_state(case.state).items()))
    parameters = {name.strip("`"): value} if name.strip("`") in dict(case.cell.named_parameters()) else {}
    with torch.no_grad():
        result = torch.func.functional_call(case.cell, parameters, (inputs, state))
    return weighted_sum(cast("CellResult", result)).item()


def require_lengths(make_cell: CellFactory) -> None:
    """Check sequences of many lengths against one scan, whose results are compared where each sequence ends.

    If all of them differ, another test describes the difference.
    """
    cell, inputs, state = build_case(make_cell, _LONG)
    outputs: list[Tensor] = []
    wrong: dict[int, ConformanceError] = {}
    with torch.no_grad():
        before = state
        for steps, projected in enumerate(cell.project(inputs), start=1):
            output, before = cell.step(projected, before)
            outputs.append(output)
            if steps in _LENGTHS:
                actual = results_of(cell(inputs[:steps], state))
                try:
                    problem = "{part} of `forward` differs from the scan of `step` at some lengths only"
                    require_equal(cell, problem, actual, results_of((torch.stack(outputs), before)), 1e-6)
                except ConformanceError as error:
                    wrong[steps] = error
    right = [steps for steps in _LENGTHS if steps not in wrong]
    if wrong and right:
        longer = max(right) < min(wrong)
        where = f"right up to {max(right)}" if longer else f"right after {', '.join(map(str, right))}"
        why = "a block of steps" if longer else "padding, or the rest of a block of steps"
        lengths = ", ".join(map(str, wrong))
        raise ConformanceError(f"{next(iter(wrong.values()))} (wrong after {lengths} steps, {where}: look for {why})")


def require_documents(case: CellCase) -> None:
    """Check that a row is right if a document starts within it, before which its state is reset."""
    cell, inputs, state = case
    steps, rows, _ = inputs.shape
    cuts = [1 + row * (steps - 1) // rows for row in range(rows)]
    starts = torch.zeros(steps, rows, dtype=torch.bool)
    starts[cuts, range(rows)] = True
    outputs, after = read_documents(cell, inputs, state, starts, cell.initial_state(1))
    for row in {0, rows - 1}:
        one, cut = slice(row, row + 1), cuts[row]

        def read_apart(case: CellCase, one: slice = one, cut: int = cut) -> Parts:
            first, _ = case.cell(case.inputs[:cut, one], rows_of(case.state, one))
            second, after = case.cell(case.inputs[cut:, one], case.cell.initial_state(1))
            return results_of((torch.cat([first, second]), after))

        problem = (
            f"{{part}} of row {row}, in which a document starts at step {cut}, differs from that of the document "
            "alone: the cell uses a part of the state of one row, such as its number of steps, for other rows"
        )
        require_same(case, problem, results_of((outputs[:, one], rows_of(after, one))), read_apart)


def require_pure(case: CellCase) -> None:
    """Check that a call in evaluation mode changes nothing and draws no random numbers."""
    cell, inputs, state = case
    given, given_state = inputs.clone(), map_state(torch.clone, state)
    before = _comparable_attributes(cell)

    def read(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        outputs, after = cell(given.clone(), map_state(torch.clone, given_state))
        return {name: tensor.clone() for name, tensor in results_of((outputs, after)).items()}

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        cell(inputs, state)
        if not torch.equal(inputs, given):
            fail(cell, "the given inputs were modified in place")
        first, same_seed, other_seed = (read(seed) for seed in (0, 0, 1))
    changed = [name for name, value in _comparable_attributes(cell).items() if before.get(name) != value]
    generators = [name for name, value in vars(cell).items() if isinstance(value, torch.Generator)]
    for part, tensor in first.items():
        if torch.equal(tensor, same_seed[part]) and torch.equal(tensor, other_seed[part]):
            continue
        if torch.equal(tensor, same_seed[part]):
            wanted = "equal bits with every seed, and random numbers only `if self.training`"
            fail(cell, "the output is random in eval mode", expected=wanted, got=f"{part} that depends on the seed")
        if generators:
            problem = f"the output is random in eval mode: it depends on the generator `{generators[0]}`"
            fail(cell, f"{problem}, which is in no checkpoint")
        stored = f" (attribute `{changed[0]}`)" if changed else ""
        fail(cell, f"{part} depends on earlier calls: the cell stores something outside of its state{stored}")


def require_reproducible(case: CellCase) -> None:
    """Check that equal random states give equal bits in training mode, too, so that a run can be resumed."""
    cell = case.cell.train()

    def read() -> dict[str, Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return results_with_gradients(case)

    problem = "{part} differs in a second call in training mode with the same seed, so that a run cannot be resumed"
    first = read()
    require_equal(cell, problem, read(), first, tolerance=0.0)


def require_same_initial_state(case: CellCase) -> None:
    """Check that the initial state depends on the batch size only, and is the same for every row."""
    cell, inputs, state = case
    batch = inputs.shape[1]
    start = map_state(torch.clone, cell.initial_state(batch))
    cell(inputs, state)
    again = named_state(cell.initial_state(batch))
    problem = "{part} of `initial_state` changes from call to call: it depends on random numbers or earlier sequences"
    require_equal(cell, problem, again, named_state(start), tolerance=0.0)
    row = named_state(cell.initial_state(1))
    for index in range(batch):
        problem = f"{{part}} of row {index} of `initial_state({batch})` differs from `initial_state(1)`"
        require_equal(cell, problem, named_state(rows_of(start, slice(index, index + 1))), row, tolerance=0.0)


def require_bounded_state(make_cell: CellFactory) -> None:
    """Check that no number of the state keeps growing, from parameters as the cell initializes them.

    A state whose mean size does not grow in the first 2,000 steps is not followed for all 10,000.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        cell = make_cell(3, 4).eval()
    generator = torch.Generator().manual_seed(0)
    state = cell.initial_state(_ROWS)
    means = {name: list[float]() for name, part in named_state(state).items() if part.is_floating_point()}
    for done in range(_CHUNK, _STEPS + 1, _CHUNK):
        # The mean is not 0, so that a sum of the inputs grows with the number of steps.
        inputs = 1 + torch.randn(_CHUNK, _ROWS, cell.input_size, generator=generator)
        with torch.no_grad():
            _, state = cell(inputs, state)
        parts = named_state(state)
        for name, sizes in means.items():
            sizes.append(parts[name].abs().mean().item())
        if done == _FEW_STEPS and all(_growth(sizes) <= 1.15 for sizes in means.values()):
            return
    for name, sizes in means.items():
        if not _growth(sizes) <= 2:
            quarter = f"{sizes[len(sizes) // 4 - 1]:.3g} at step {_STEPS // 4:,}"
            got = f"{quarter} and {sizes[-1]:.3g} at step {_STEPS:,}"
            wanted = "a mean size that stays about the same, and of a counter, the remainder for its period"
            fail(cell, f"{name} grows without bound", expected=wanted, got=got)


def _growth(sizes: list[float]) -> float:
    """Return the mean of the last quarter of the sizes, relative to that of the first."""
    quarter = len(sizes) // 4
    return (sum(sizes[-quarter:]) / quarter + 1e-3) / (sum(sizes[:quarter]) / quarter + 1e-3)


def require_learning(make_cell: CellFactory) -> None:
    """Check that 20 steps of Adam bring the outputs closer to those of a cell with other parameters."""
    cell = new_cell(make_cell, 3, 4, seed=1).train()
    teacher = new_cell(make_cell, 3, 4, seed=2)
    inputs = torch.randn(6, 8, cell.input_size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    target = teacher(inputs, teacher.initial_state(8))[0].detach()
    optimizer = torch.optim.Adam(cell.parameters(), lr=0.01)
    losses: list[float] = []
    unused = dict(cell.named_parameters())
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(cell(inputs, cell.initial_state(8))[0], target)
        cast("Any", loss).backward()
        unused = {name: each for name, each in unused.items() if each.grad is None or not each.grad.any()}
        optimizer.step()
        with torch.no_grad():
            cell.constrain_parameters()
        losses.append(loss.item())
    for name in unused:
        fail(cell, f"the parameter `{name}` never gets a gradient", expected="a parameter that the outputs depend on")
    if not losses[-1] < losses[0]:
        fail(cell, "20 steps of Adam do not lower the loss", expected=f"below {losses[0]:.6f}", got=f"{losses[-1]:.6f}")


def _comparable_attributes(cell: Cell[Any]) -> dict[str, Any]:
    """Return the numbers, texts and tensors in attributes of a cell, as values that can be compared."""
    kinds = Tensor | int | float | str | None
    found = {name: value for name, value in vars(cell).items() if isinstance(value, kinds)}
    return {name: value.tolist() if isinstance(value, Tensor) else value for name, value in found.items()}

"""The first half of the suite of cells: tensors, the initial state, gradients, and `forward` beside `step`."""

import inspect
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from seqforge.kinds import Cell, map_state
from seqforge.kinds.cell import initial_state_fault, named_state, sequence_fault
from seqforge.testing.cell_case import (
    LARGE,
    SMALL,
    CaseSizes,
    CellCase,
    CellFactory,
    CellResult,
    Read,
    build_case,
    each_case,
    new_cell,
    read_forward,
    read_steps,
    require_same,
    results_of,
    results_with_gradients,
    rows_of,
    weighted_sum,
    with_gradients,
)
from seqforge.testing.cell_tensors import (
    detached_place,
    device_fault,
    registration_fault,
    type_fault,
    unregistered_tensors,
)
from seqforge.testing.conformance import (
    GLOBAL_SEED,
    Suite,
    fail,
    name_of,
    require_equal,
    require_no_fault,
)

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

_DIFFERENCE = 1e-6
"""Step of the central differences."""

_LONG = (CaseSizes(64, 2, 5, 32), CaseSizes(300, 2, 5, 32))
_WAYS = {"step": read_steps, "forward": read_forward}


class CellParts(Suite, kind="cell"):
    """Tests of what a cell consists of, and of single calls of its methods; see `CellSuite`."""

    def test_tensors_are_registered(self, make: CellFactory) -> None:
        """Every tensor of the cell is a parameter or a buffer, so that checkpoints and `.to` include it.

        Two calls of the function return cells of the same size, which depends on the option `hidden_size`.
        """
        one, other = (new_cell(make, 3, 4, seed) for seed in (0, 1))
        with torch.random.fork_rng(devices=[]):
            seed = torch.default_generator.seed()
            make(3, 4)
            if torch.initial_seed() != seed:
                fail(one, GLOBAL_SEED)
        shapes = [{name: list(part.shape) for name, part in cell.named_parameters()} for cell in (one, other)]
        if shapes[0] != shapes[1] or one.hidden_size != other.hidden_size:
            problem = "the function in the table returns another size in a second call"
            fail(one, problem, expected=f"{shapes[0]} for the same sizes", got=shapes[1])
        takes_size = "hidden_size" in inspect.signature(type(one).__init__).parameters
        given: Any = getattr(make, "keywords", {})  # of a `functools.partial`
        is_wrapped = name_of(make) != type(one).__name__ or "hidden_size" in given
        if takes_size and not is_wrapped and make(3, 128).hidden_size == one.hidden_size:
            fail(one, "`__init__` ignores `hidden_size`", expected="128 units", got=one.hidden_size)
        cell = new_cell(make, 3, 4, seed=0)
        require_no_fault(cell, registration_fault(cell))

    def test_the_cell_computes_in_the_type_and_on_the_device_of_its_parameters(self, make: CellFactory) -> None:
        """A cell in float64 computes in float64, and a cell on another device computes there."""
        cell = new_cell(make, 3, 4, seed=0)
        require_no_fault(cell, type_fault(cell))
        require_no_fault(cell, device_fault(cell, "meta"))

    def test_initial_biases_can_be_set(self, make: CellFactory) -> None:
        """`set_initial_biases` raises nothing, and leaves all parameters finite."""
        cell = new_cell(make, 3, 4, seed=0)
        with torch.no_grad():
            cell.set_initial_biases()
        for name, parameter in cell.named_parameters():
            if not parameter.isfinite().all():
                fail(cell, f"`set_initial_biases` leaves numbers in `{name}` that are not finite")

    def test_constrained_parameters_satisfy_the_constraints(self, make: CellFactory) -> None:
        """`constrain_parameters` changes parameters in place, to finite numbers, and a second call changes nothing."""
        for factor in (100.0, 0.0):
            cell = new_cell(make, 3, 4, seed=0)
            before = dict(cell.named_parameters())
            with torch.no_grad():
                for parameter in before.values():
                    parameter.mul_(factor)
                shapes = {name: list(parameter.shape) for name, parameter in before.items()}
                cell.constrain_parameters()
                once = {name: parameter.clone() for name, parameter in cell.named_parameters()}
                cell.constrain_parameters()
            for name, parameter in cell.named_parameters():
                problem = f"`constrain_parameters` replaces `{name}`"
                if parameter is not before.get(name):
                    fail(cell, f"{problem}, which the optimizer does not notice", expected="a change in place")
                if list(parameter.shape) != shapes[name]:
                    fail(cell, f"{problem} by another shape", expected=shapes[name], got=list(parameter.shape))
                if not parameter.isfinite().all():
                    fail(cell, f"`constrain_parameters` leaves numbers in `{name}` that are not finite")
            problem = "a second call of `constrain_parameters` changes `{part}`"
            require_equal(cell, problem, dict(cell.named_parameters()), once, tolerance=0.0)

    @each_case(*SMALL, CaseSizes(9, 7, 70, 33))
    def test_any_size_is_read(self, case: CellCase) -> None:
        """Outputs and states have the right shape and type for any size, and a call keeps no tensor in an attribute."""
        cell, inputs, state = case
        batch = inputs.shape[1]
        for rows in (batch, batch + 70):  # A tensor without a batch can have as many units as there are rows.
            require_no_fault(cell, initial_state_fault(cell, rows))
        require_no_fault(cell, sequence_fault(*case))
        before = dict(unregistered_tensors(cell))
        for _ in range(2):
            cell(inputs, state)
        for name, tensor in unregistered_tensors(cell):
            if tensor is not before.get(name):
                problem = f"a call keeps a tensor {list(tensor.shape)} in the attribute `{name}`, outside of the state"
                fail(cell, f"{problem}: it needs memory in every step, and is in no checkpoint")
        for name, part in results_of(read_forward(*case)).items():
            if not part.isfinite().all():
                fail(cell, f"{name} is not finite for normally distributed inputs")

    @each_case()
    def test_reading_again_gives_the_same_bits(self, case: CellCase) -> None:
        """Equal parameters, inputs, state and random state give bit-identical outputs and gradients.

        In evaluation mode, a call changes nothing and draws no random numbers.
        """
        cell, inputs, state = case
        given, given_state = inputs.clone(), map_state(torch.clone, state)
        before = _comparable_attributes(cell)

        def read(seed: int) -> dict[str, Tensor]:
            torch.default_generator.manual_seed(seed)
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

        cell.train()

        def read_in_training() -> dict[str, Tensor]:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(0)
                return results_with_gradients(case)

        problem = "{part} differs in a second call in training mode with the same seed, so that a run cannot be resumed"
        expected = read_in_training()
        require_equal(cell, problem, read_in_training(), expected, tolerance=0.0)

    @each_case()
    def test_the_initial_state_depends_on_the_batch_size_alone(self, case: CellCase) -> None:
        """The initial state depends on neither earlier sequences nor random numbers, and is the same for every row."""
        cell, inputs, state = case
        batch = inputs.shape[1]
        start = map_state(torch.clone, cell.initial_state(batch))
        cell(inputs, state)
        again = named_state(cell.initial_state(batch))
        problem = (
            "{part} of `initial_state` changes from call to call: it depends on random numbers or earlier sequences"
        )
        require_equal(cell, problem, again, named_state(start), tolerance=0.0)
        row = named_state(cell.initial_state(1))
        for index in range(batch):
            problem = f"{{part}} of row {index} of `initial_state({batch})` differs from `initial_state(1)`"
            require_equal(cell, problem, named_state(rows_of(start, slice(index, index + 1))), row, tolerance=0.0)

    def test_only_the_state_and_earlier_steps_matter(self, make: CellFactory) -> None:
        """Outputs depend on the given state, and not on later steps."""
        cell, inputs, state = build_case(make, CaseSizes(6, 3, 4, 16))
        # Numbers that are not equal in all units, since a cell may normalize.
        other = map_state(lambda part: part.flip(-1) * 1.5 + 0.5 if part.is_floating_point() else part, state)
        with torch.no_grad():
            outputs, _ = cell(inputs, state)
            changed = torch.cat([inputs[:-1], inputs[-1:] + 1])
            if not _equal(cell(changed, state)[0][:-1], outputs[:-1]):
                problem = "outputs depend on later steps: the cell reads the sequence from its end, or normalizes over "
                problem += "time, which generation cannot do"
                if _equal(outputs.flip(0), read_steps(cell, inputs, state)[0]):
                    problem = "`forward` returns the outputs from the last step to the first"
                fail(cell, problem)
            projected = cell.project(inputs)[0]
            steps = [[output, *after] for output, after in (cell.step(projected, start) for start in (state, other))]
            if all(map(_equal, *steps)):
                fail(cell, "`step` ignores the given state: neither its output nor the next state depends on it")
            ends = [[outputs, *after] for outputs, after in (cell(inputs[:1], start) for start in (state, other))]
            if all(map(_equal, *ends)):
                fail(cell, "`forward` ignores the given state, so that every sequence starts anew")

    @each_case(*SMALL, *LARGE, *_LONG)
    def test_forward_is_the_scan_of_step(self, case: CellCase) -> None:
        """`forward` agrees with the scan of `step`, with and without gradients, and so do its gradients."""
        scan = partial(results_with_gradients, read=read_steps)
        problem = "{part} of `forward`%s differs from the scan of `step`%s"
        require_same(case, problem % ("", detached_place(*case)), results_with_gradients(case), scan)
        with torch.no_grad():
            actual = results_of(read_forward(*case))
            problem = problem % (" without gradients", "")
            require_same(case, problem, actual, lambda case: results_of(read_steps(*case)))

    @each_case(*SMALL[:2])
    def test_forward_and_step_draw_the_same_in_training(self, case: CellCase) -> None:
        """In training mode, `forward` and `step` agree, or both draw random numbers, such as those of dropout."""
        case.cell.train()

        def read(how: Read, seed: int) -> Tensor:
            torch.default_generator.manual_seed(seed)
            return how(*case)[0]

        with torch.random.fork_rng(devices=[]), torch.no_grad():
            outputs = {name: [read(how, seed) for seed in (0, 1)] for name, how in _WAYS.items()}
        # The two may draw in another order.
        drawing = [name for name, pair in outputs.items() if not _equal(*pair)]
        if not drawing and not _equal(outputs["step"][0], outputs["forward"][0]):
            fail(case.cell, "in training mode the output of `forward` differs from the scan of `step`")
        if len(drawing) == 1:
            (other,) = _WAYS.keys() - drawing
            problem = f"in training mode `{drawing[0]}` draws random numbers, such as dropout, and `{other}` does not"
            fail(case.cell, problem)

    @each_case()
    def test_gradients_are_right(self, case: CellCase) -> None:
        """Gradients agree with central differences in a random direction of each leaf, unless the results jump."""
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


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-9, atol=1e-9, equal_nan=True)


def _comparable_attributes(cell: Cell[Any]) -> dict[str, Any]:
    """Return the numbers, texts and tensors in attributes of a cell, as values that can be compared."""
    kinds = Tensor | int | float | str | None
    found = {name: value for name, value in vars(cell).items() if isinstance(value, kinds)}
    return {name: value.tolist() if isinstance(value, Tensor) else value for name, value in found.items()}

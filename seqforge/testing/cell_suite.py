"""The conformance suite of cells, for subclasses in the tests of a plugin."""

from collections.abc import Mapping
from typing import Any, ClassVar

import safetensors.torch
import torch
from hypothesis import strategies
from torch.nn import functional

from seqforge.kinds import map_state, scan
from seqforge.kinds.cell_tensors import find_other_device, find_other_type, find_unregistered
from seqforge.testing import cell_checks as checks
from seqforge.testing.cell_backends import require_equal_backends
from seqforge.testing.cell_results import gradients_of, results_of, rows_of
from seqforge.testing.conformance import Suite, calling, fail, require_equal, require_no_fault
from seqforge.testing.each_case import LARGE, for_each_case
from seqforge.testing.strategies import CellCase, CellFactory, new_cell, sizes


class CellSuite(Suite):
    """Tests that every cell must pass. List your cells in a subclass whose name begins with `Test`.

    ```python
    from functools import partial
    from typing import Any, ClassVar

    from seqforge.testing import CellSuite


    class TestLSTM(CellSuite):
        cells: ClassVar = {"plain": LSTM, "peepholes": partial(LSTM, peepholes=True)}
    ```

    Each function takes an input size and a hidden size, and returns a cell. It is a class, a `functools.partial` with
    options, or a lambda for a wrapper, such as `lambda i, h: Residual(i, inner=LSTM(i, h))`. It may round the sizes up
    if the cell does not support all of them. The names appear in the test ids, such as
    `test_gradients_are_right[peepholes]`.

    Tests run in float64 on the CPU, so that a mistake is larger than rounding errors, and some also on every installed
    backend and on a GPU if there is one. Except in tests of training, cells are in evaluation mode and must not draw
    random numbers.

    Attributes:
        cells: Functions that return a cell for an input size and a hidden size, by name.
        slow_backends: Whether to test backends that compile a cell for more than 10 seconds, such as `inductor`.
    """

    table: ClassVar[str] = "cells"
    argument: ClassVar[str] = "make_cell"
    cells: ClassVar[Mapping[str, CellFactory]]
    slow_backends: ClassVar[bool] = False

    def test_tensors_are_registered(self, make_cell: CellFactory) -> None:
        """Every tensor of the cell is a parameter or a buffer, so that checkpoints and `.to` include it."""
        cell = new_cell(make_cell, 3, 4, seed=0)
        require_no_fault(cell, find_unregistered(cell))

    def test_the_cell_computes_in_the_type_and_on_the_device_of_its_parameters(self, make_cell: CellFactory) -> None:
        """A cell in float64 computes in float64, and a cell on another device computes there."""
        cell = new_cell(make_cell, 3, 4, seed=0)
        require_no_fault(cell, find_other_type(cell))
        require_no_fault(cell, find_other_device(cell, "meta"))

    def test_initial_biases_can_be_set(self, make_cell: CellFactory) -> None:
        """`set_initial_biases` raises nothing, and leaves all parameters finite."""
        cell = new_cell(make_cell, 3, 4, seed=0)
        with calling(make_cell, "`set_initial_biases`"), torch.no_grad():
            cell.set_initial_biases()
        for name, parameter in cell.named_parameters():
            if not parameter.isfinite().all():
                fail(cell, f"`set_initial_biases` leaves numbers in `{name}` that are not finite")

    def test_constrained_parameters_satisfy_the_constraints(self, make_cell: CellFactory) -> None:
        """`constrain_parameters` changes parameters in place, to finite numbers, and a second call changes nothing."""
        checks.require_constraints(make_cell)

    def test_any_size_is_read(self, make_cell: CellFactory) -> None:
        """Outputs and states have the right shape and type for any length, batch size and number of features."""
        for_each_case(make_cell, checks.require_shapes, time=sizes(9), batch=sizes(9), features=sizes(70))

    def test_forward_is_the_scan_of_step(self, make_cell: CellFactory) -> None:
        """`forward` agrees with the scan of `step`, with and without gradients."""

        def check(case: CellCase) -> None:
            cell, inputs, state = case
            expected = results_of(scan(cell.step, cell.project(inputs), state))
            require_equal(
                cell, "{part} of `forward` differs from the scan of `step`", results_of(cell(inputs, state)), expected
            )
            with torch.no_grad():
                actual = results_of(cell(inputs, state))
            require_equal(
                cell, "{part} of `forward` without gradients differs from the scan of `step`", actual, expected
            )

        for_each_case(make_cell, check, large=LARGE, time=sizes(9), batch=sizes(9), features=sizes(70))

    def test_forward_has_the_gradients_of_the_scan(self, make_cell: CellFactory) -> None:
        """The gradients of `forward` agree with those of the scan of `step`."""

        def check(case: CellCase) -> None:
            actual = gradients_of(case, lambda cell, inputs, state: cell(inputs, state))
            expected = gradients_of(case, lambda cell, inputs, state: scan(cell.step, cell.project(inputs), state))
            require_equal(case.cell, "{part} of `forward` differs from that of the scan of `step`", actual, expected)

        for_each_case(make_cell, check, large=LARGE)

    def test_gradients_are_right(self, make_cell: CellFactory) -> None:
        """Gradients of parameters, inputs and state agree with finite differences."""
        for_each_case(make_cell, checks.require_gradients, examples=5, time=sizes(3), batch=sizes(3))

    def test_symbols_are_unit_vectors(self, make_cell: CellFactory) -> None:
        """If the cell reads symbols, they have the same outputs as the unit vectors for which they stand."""

        def check(case: CellCase) -> None:
            cell, inputs, state = case
            if cell.reads_symbols:
                symbols = inputs.argmax(-1)
                vectors = functional.one_hot(symbols, cell.input_size).to(inputs.dtype)
                problem = "{part} for symbols differs from that for the unit vectors for which they stand"
                expected = results_of(cell(vectors, state))
                with calling(
                    cell, "a call with symbols, integers `[time, batch]`; if it reads none: `reads_symbols = False`"
                ):
                    found = results_of(cell(symbols, state))
                require_equal(cell, problem, found, expected)

        for_each_case(make_cell, check)

    def test_the_stepper_steps(self, make_cell: CellFactory) -> None:
        """The stepper, which generation uses, agrees with `step`."""

        def check(case: CellCase) -> None:
            cell, inputs, state = case
            with torch.no_grad():
                actual = scan(cell.stepper(inputs.shape[1]), inputs, state)
                expected = scan(cell.step, cell.project(inputs), state)
            problem = "{part} of the function that `stepper` returns differs from that of `step`"
            require_equal(cell, problem, results_of(actual), results_of(expected))

        for_each_case(make_cell, check)

    def test_products_in_bfloat16_leave_the_state_its_type(self, make_cell: CellFactory) -> None:
        """Under autocast the state keeps its dtype, and the outputs are close to those in float32."""

        def check(case: CellCase) -> None:
            cell, inputs = case.cell.float(), case.inputs.float()
            state = map_state(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor, case.state)
            expected, _ = cell(inputs, state)
            with torch.autocast("cpu", torch.bfloat16):
                outputs, after = cell(inputs, state)
            checks.require_same_types(cell, after, state, "under autocast")
            error = (outputs.float() - expected).abs().max() / expected.abs().max().clamp(min=1)
            if not error <= 0.1:
                fail(
                    cell,
                    "under autocast to bfloat16 the outputs differ too much from those in float32",
                    expected="at most 10%",
                    got=f"{error.item():.0%}",
                )

        for_each_case(make_cell, check)

    def test_chunks_with_the_state_carried_give_the_whole(self, make_cell: CellFactory) -> None:
        """A sequence in two chunks, with the state carried, gives the same result as the whole sequence."""

        def check(case: CellCase) -> None:
            cell, inputs, state = case
            expected = results_of(cell(inputs, state))
            for cut in {1, len(inputs) // 2}:
                first, between = cell(inputs[:cut], state)
                second, after = cell(inputs[cut:], between)
                actual = results_of((torch.cat([first, second]), after))
                require_equal(cell, "{part} differs after chunking", actual, expected)

        for_each_case(make_cell, check, time=strategies.integers(2, 9), large=LARGE)

    def test_rows_do_not_mix(self, make_cell: CellFactory) -> None:
        """The result of a row depends neither on the other rows nor on its position in the batch."""

        def check(case: CellCase) -> None:
            cell, inputs, state = case
            outputs, after = cell(inputs, state)
            batch = inputs.shape[1]
            for row in sorted({0, 1, batch // 2, batch - 1}):
                rows = slice(row, row + 1)
                alone = results_of(cell(inputs[:, rows], rows_of(state, rows)))
                together = results_of((outputs[:, rows], rows_of(after, rows)))
                require_equal(cell, f"{{part}} of row {row} depends on the other rows of the batch", together, alone)

        for_each_case(make_cell, check, batch=strategies.integers(2, 5), large=LARGE)

    def test_reading_again_gives_the_same_bits(self, make_cell: CellFactory) -> None:
        """Equal parameters, inputs, state and random state give bit-identical outputs and gradients."""
        for_each_case(make_cell, checks.require_pure, examples=5)
        for_each_case(make_cell, checks.require_reproducible, examples=5)

    def test_the_initial_state_depends_on_the_batch_size_alone(self, make_cell: CellFactory) -> None:
        """The initial state depends on neither earlier sequences nor random numbers, and is the same for every row."""
        for_each_case(make_cell, checks.require_same_initial_state, examples=5)

    def test_the_state_stays_bounded(self, make_cell: CellFactory) -> None:
        """The state does not grow without bound in 10,000 steps. Integers, such as a number of steps, may grow."""
        checks.require_bounded_state(make_cell)

    def test_parameters_survive_safetensors(self, make_cell: CellFactory) -> None:
        """A cell that loads the saved parameters has bit-identical parameters and outputs."""

        def check(case: CellCase) -> None:
            cell, inputs, state = case
            other = new_cell(make_cell, cell.input_size, cell.hidden_size, seed=1 << 20)
            other.load_state_dict(safetensors.torch.load(safetensors.torch.save(cell.state_dict())))
            saved = {f"`{name}`": tensor for name, tensor in cell.state_dict().items()}
            loaded = {f"`{name}`": tensor for name, tensor in other.state_dict().items()}
            require_equal(cell, "{part} changes when it is saved and loaded", loaded, saved, tolerance=0.0)
            problem = "{part} of a cell that loads the saved parameters differs"
            expected = results_of(cell(inputs, state))
            require_equal(cell, problem, results_of(other(inputs, state)), expected, tolerance=0.0)

        for_each_case(make_cell, check, examples=3)

    def test_a_cast_to_another_type_is_followed(self, make_cell: CellFactory) -> None:
        """A cell that is cast to float32, and back to float64, computes in that type, with nearly equal outputs."""

        def check(case: CellCase) -> None:
            cell, inputs, _ = case
            expected, _ = cell(inputs, cell.initial_state(inputs.shape[1]))
            for dtype in (torch.float32, torch.float64):
                cell.to(dtype)
                start = cell.initial_state(inputs.shape[1])
                outputs, after = cell(inputs.to(dtype), start)
                when = f"after a cast to {dtype}"
                if outputs.dtype != dtype:
                    fail(cell, f"{when} the outputs have another type", expected=dtype, got=outputs.dtype)
                checks.require_same_types(cell, after, start, when)
                actual, wanted = {"the output": outputs}, {"the output": expected}
                require_equal(cell, f"{when} {{part}} differs", actual, wanted, tolerance=1e-3)

        for_each_case(make_cell, check, examples=3)

    def test_a_detached_state_cuts_the_gradient(self, make_cell: CellFactory) -> None:
        """No gradient flows through a state detached by `map_state`, as truncated backpropagation requires."""

        def check(case: CellCase) -> None:
            cell, inputs, state = case
            earlier = inputs.clone().requires_grad_()
            _, between = cell(earlier, state)
            outputs, _ = cell(inputs, map_state(torch.detach, between))
            if outputs.requires_grad:
                gradients: tuple[Any, ...] = torch.autograd.grad(outputs.sum(), earlier, allow_unused=True)
                if gradients[0] is not None:
                    fail(cell, "a gradient bypasses the detached state: the cell stores a tensor outside of its state")

        for_each_case(make_cell, check, examples=3)

    def test_training_lowers_the_loss(self, make_cell: CellFactory) -> None:
        """A few optimizer steps bring the outputs of a cell closer to those of a cell with other parameters."""
        checks.require_learning(make_cell)

    def test_backends_agree(self, make_cell: CellFactory) -> None:
        """Every installed backend that runs the cell computes the same, and so does a GPU if there is one."""
        require_equal_backends(make_cell, self.slow_backends)

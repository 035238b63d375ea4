"""The conformance suite of cells, for subclasses in the tests of a plugin, with a short run of training."""

from collections.abc import Mapping
from typing import ClassVar

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional

from seqforge.faults import describe_error
from seqforge.kinds import map_state, scan
from seqforge.kinds.cell_contract import initial_state_fault, sequence_fault, state_change
from seqforge.testing import cell_checks as checks
from seqforge.testing.backend_suite import require_equal_backends
from seqforge.testing.cell_case import (
    LARGE,
    SMALL,
    TYPICAL,
    CaseSizes,
    CellCase,
    CellFactory,
    Parts,
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
    sliced,
)
from seqforge.testing.cell_run import require_run
from seqforge.testing.cell_tensors import (
    detached_place,
    device_fault,
    overflow_place,
    registration_fault,
    type_fault,
    unregistered_tensors,
)
from seqforge.testing.conformance import Suite, fail, require_equal, require_no_fault

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

LARGE_INPUT = 1000.0
"""Size of inputs with which outputs and gradients must be finite in float32."""

_WAYS = {"step": read_steps, "forward": read_forward}


class CellSuite(Suite, kind="cell"):
    """Tests that every cell must pass. List your cells in a subclass whose name begins with `Test`.

    ```python
    from functools import partial
    from typing import ClassVar

    from seqforge.testing.cell_suite import CellSuite

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

    cells: ClassVar[Mapping[str, CellFactory]]
    slow_backends: ClassVar[bool] = False

    def test_tensors_are_registered(self, make: CellFactory) -> None:
        """Every tensor of the cell is a parameter or a buffer, so that checkpoints and `.to` include it.

        Two calls of the function return cells of the same size, which depends on the option `hidden_size`.
        """
        checks.require_sizes(make)
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
        checks.require_constraints(make)

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
        """Equal parameters, inputs, state and random state give bit-identical outputs and gradients."""
        checks.require_pure(case)
        checks.require_reproducible(case)

    @each_case()
    def test_the_initial_state_depends_on_the_batch_size_alone(self, case: CellCase) -> None:
        """The initial state depends on neither earlier sequences nor random numbers, and is the same for every row."""
        checks.require_same_initial_state(case)

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

    def test_every_length_is_the_scan_of_step(self, make: CellFactory) -> None:
        """`forward` agrees with the scan of `step` after 1, 15, 63, 64, 65, 129 and 300 steps."""
        checks.require_lengths(make)

    @each_case(*SMALL, *LARGE)
    def test_forward_is_the_scan_of_step(self, case: CellCase) -> None:
        """`forward` agrees with the scan of `step`, with and without gradients, and so do its gradients."""

        def read(case: CellCase) -> Parts:
            return results_of(read_steps(*case))

        def read_with_gradients(case: CellCase) -> Parts:
            return results_with_gradients(case, read_steps)

        problem = "{part} of `forward`%s differs from the scan of `step`%s"
        require_same(case, problem % ("", detached_place(*case)), results_with_gradients(case), read_with_gradients)
        with torch.no_grad():
            actual = results_of(read_forward(*case))
            require_same(case, problem % (" without gradients", ""), actual, read)

    @each_case(*SMALL[:2])
    def test_forward_and_step_draw_the_same_in_training(self, case: CellCase) -> None:
        """In training mode, `forward` and `step` agree, or both draw random numbers, such as those of dropout."""
        case.cell.train()

        def read(how: Read, seed: int) -> Tensor:
            torch.manual_seed(seed)
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
        """Gradients of parameters, inputs and state agree with finite differences."""
        checks.require_gradients(case)

    @each_case()
    def test_symbols_are_unit_vectors(self, case: CellCase) -> None:
        """If the cell reads symbols, they have the same outputs as the unit vectors for which they stand."""
        cell, symbols = case.cell, case.inputs.argmax(-1)
        if not cell.reads_symbols:
            return
        try:
            outputs, _ = cell(symbols, case.state)
        except Exception as error:  # noqa: BLE001 - the message describes it
            fault = describe_error(error, type(cell))
            fail(cell, f"it cannot read symbols, integers [time, batch], as the first layer does: {fault}")
        expected, _ = cell(functional.one_hot(symbols, cell.input_size).double(), case.state)
        if outputs.shape != expected.shape or not torch.allclose(outputs, expected, atol=1e-9):
            fail(cell, "the output for symbols differs from that for the unit vectors for which they stand")

    @each_case()
    def test_the_stepper_steps(self, case: CellCase) -> None:
        """The stepper, which generation uses, agrees with `step`."""
        cell, inputs, state = case
        with torch.no_grad():
            actual = results_of(scan(cell.stepper(inputs.shape[1]), inputs, state))
        problem = "{part} of the function that `stepper` returns differs from that of `step`"
        require_same(case, problem, actual, lambda case: results_of(read_steps(*case)))

    @each_case()
    def test_products_in_bfloat16_leave_the_state_its_type(self, case: CellCase) -> None:
        """Under autocast to bfloat16, the state keeps its type."""
        cell, start = case.cell.float(), case.cell.initial_state(case.inputs.shape[1])
        with torch.autocast("cpu", torch.bfloat16):
            _, after = cell(case.inputs.float(), start)
        require_no_fault(cell, state_change(start, after, "under autocast"))

    @each_case(*SMALL, *LARGE)
    def test_chunks_with_the_state_carried_give_the_whole(self, case: CellCase) -> None:
        """A sequence in two chunks, with the state carried, gives the same result as the whole sequence."""
        cell, inputs, state = case
        for cut in {1, len(inputs) // 2} if len(inputs) > 1 else ():
            first, between = cell(inputs[:cut], state)
            for kind, start in {"": between, " with a state that is not contiguous": sliced(between)}.items():
                second, after = cell(inputs[cut:], start)
                actual = results_of((torch.cat([first, second]), after))
                problem = f"{{part}} differs after chunking{kind}"
                require_same(case, problem, actual, lambda case: results_of(read_forward(*case)))

    @each_case(*SMALL, *LARGE)
    def test_rows_do_not_mix(self, case: CellCase) -> None:
        """The result of a row depends neither on the other rows nor on its position in the batch."""
        cell, inputs, state = case
        batch = inputs.shape[1]
        outputs, after = cell(inputs, state)
        for row in sorted({0, batch // 2, batch - 1}):
            rows = slice(row, row + 1)

            def read_alone(case: CellCase, rows: slice = rows) -> Parts:
                return results_of(case.cell(case.inputs[:, rows], rows_of(case.state, rows)))

            problem = f"{{part}} of row {row} depends on the other rows of the batch"
            require_same(case, problem, results_of((outputs[:, rows], rows_of(after, rows))), read_alone)

    @each_case(TYPICAL, LARGE[2])
    def test_documents_may_start_inside_a_sequence(self, case: CellCase) -> None:
        """A row is right if its state is reset within a sequence, at another step than that of other rows."""
        checks.require_documents(case)

    def test_the_state_stays_bounded(self, make: CellFactory) -> None:
        """The state does not grow without bound in 10,000 steps. Integers, such as a number of steps, may grow."""
        checks.require_bounded_state(make)

    def test_parameters_survive_safetensors(self, make: CellFactory) -> None:
        """A cell that loads the saved parameters has bit-identical parameters and outputs."""
        cell, inputs, state = build_case(make, TYPICAL)
        other = new_cell(make, TYPICAL.input_size, TYPICAL.hidden_size, seed=1)
        other.load_state_dict(safetensors.torch.load(safetensors.torch.save(cell.state_dict())))
        saved = {f"`{name}`": tensor for name, tensor in cell.state_dict().items()}
        loaded = {f"`{name}`": tensor for name, tensor in other.state_dict().items()}
        require_equal(cell, "{part} changes when it is saved and loaded", loaded, saved, tolerance=0.0)
        problem = "{part} of a cell that loads the saved parameters differs"
        expected = results_of(cell(inputs, state))
        require_equal(cell, problem, results_of(other(inputs, state)), expected, tolerance=0.0)

    @each_case(*SMALL[:3], LARGE[2])
    def test_a_cast_to_another_type_is_followed(self, case: CellCase) -> None:
        """A cell that is cast to float32 computes in float32, as nearly as its equations allow."""
        checks.require_float32(case)

    def test_large_inputs_have_finite_results(self, make: CellFactory) -> None:
        """Outputs, states and gradients in float32 are finite for inputs of about 1,000."""
        cell, generator = new_cell(make, 3, 4, seed=0).float(), torch.Generator().manual_seed(0)
        inputs = (LARGE_INPUT * torch.randn(16, 4, cell.input_size, generator=generator)).requires_grad_()
        outputs, after = cell(inputs, cell.initial_state(4))
        wrong = [name for name, part in results_of((outputs, after)).items() if not part.isfinite().all()]
        if not wrong:
            leaves = {"the input": inputs, **{f"`{name}`": each for name, each in cell.named_parameters()}}
            gradients = torch.autograd.grad(outputs.sum(), list(leaves.values()), materialize_grads=True)
            pairs = zip(leaves, gradients, strict=True)
            wrong = [f"the gradient of {name}" for name, gradient in pairs if not gradient.isfinite().all()]
        if wrong:
            place = overflow_place(cell, inputs.detach())
            wanted = (
                "a stable form, such as `torch.sigmoid` and `logsigmoid`, or a maximum that is subtracted before `exp`"
            )
            fail(cell, f"for inputs of about {LARGE_INPUT:,.0f}, {wrong[0]} is not finite{place}", expected=wanted)

    def test_training_lowers_the_loss(self, make: CellFactory) -> None:
        """A few optimizer steps bring the outputs of a cell closer to those of a cell with other parameters."""
        checks.require_learning(make)

    def test_a_run_trains_resumes_samples_and_exports(self, make: CellFactory) -> None:
        """Ten steps of training work, five of them again after a checkpoint, and so do sampling and the export."""
        require_run(make)

    def test_backends_agree(self, make: CellFactory) -> None:
        """Every installed backend that runs the cell computes the same, and so does a GPU if there is one."""
        require_equal_backends(make, self.slow_backends)


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-9, atol=1e-9, equal_nan=True)

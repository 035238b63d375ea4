"""The conformance suite of cells, for subclasses in the tests of a plugin."""

import copy
from collections.abc import Mapping
from statistics import fmean
from typing import Any, ClassVar, cast

import safetensors.torch
import torch
from torch import nn
from torch.nn import functional

from seqforge.faults import describe_error
from seqforge.kinds import scan
from seqforge.kinds.cell import named_state, state_change
from seqforge.model.initial_states import read_documents
from seqforge.testing.backend_suite import require_equal_backends
from seqforge.testing.cell_case import (
    LARGE,
    SMALL,
    TYPICAL,
    CellCase,
    CellFactory,
    build_case,
    each_case,
    new_cell,
    perturbed,
    read_forward,
    read_steps,
    require_same,
    results_of,
    rows_of,
    sliced,
)
from seqforge.testing.cell_parts import CellParts
from seqforge.testing.cell_run import require_run
from seqforge.testing.cell_tensors import overflow_place
from seqforge.testing.conformance import Parts, fail, require_equal, require_no_fault

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

LARGE_INPUT = 1000.0
"""Size of inputs with which outputs and gradients must be finite in float32."""

_STEPS, _FEW_STEPS, _CHUNK, _ROWS = 10_000, 2_000, 100, 32
"""Steps in which a state must stay bounded, steps after which most are known to, steps of each part, and rows."""


class CellSuite(CellParts):
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
    `test_gradients_are_right[peepholes]`. The table of the suite of another kind is named after the kind too, such as
    `losses`, and its functions take no arguments, unless the suite says so.

    Tests run in float64 on the CPU, so that a mistake is larger than rounding errors, and some also on every installed
    backend and on a GPU if there is one. Except in tests of training, cells are in evaluation mode and must not draw
    random numbers.

    Attributes:
        cells: Functions that return a cell for an input size and a hidden size, by name.
        slow_backends: Whether to test backends that compile a cell for more than 10 seconds, such as `inductor`.
    """

    cells: ClassVar[Mapping[str, CellFactory]]
    slow_backends: ClassVar[bool] = False

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
            actual = results_of(scan(cell.stepper(), inputs, state))
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

    def test_the_state_stays_bounded(self, make: CellFactory) -> None:
        """The state does not grow without bound in 10,000 steps. Integers, such as a number of steps, may grow.

        A state whose mean size does not grow in the first 2,000 steps is not followed further. The parameters are those
        with which the cell is initialized.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            cell = make(3, 4).eval()
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

    def test_parameters_survive_safetensors(self, make: CellFactory) -> None:
        """A cell that loads the saved parameters has bit-identical parameters and outputs."""
        cell, inputs, state = build_case(make, TYPICAL)
        other = new_cell(make, TYPICAL.input_size, TYPICAL.hidden_size, seed=1)
        other.load_state_dict(safetensors.torch.load(safetensors.torch.save(cell.state_dict())))
        problem = "`{part}` changes when it is saved and loaded"
        require_equal(cell, problem, other.state_dict(), cell.state_dict(), tolerance=0.0)
        problem = "{part} of a cell that loads the saved parameters differs"
        expected = results_of(cell(inputs, state))
        require_equal(cell, problem, results_of(other(inputs, state)), expected, tolerance=0.0)

    @each_case(*SMALL[:3], LARGE[2])
    def test_a_cast_to_another_type_is_followed(self, case: CellCase) -> None:
        """A cell that is cast to float32 computes in float32, as nearly as its equations allow.

        How much one error of rounding changes depends on the cell. So the bound is wide for an ill-conditioned cell,
        such as one with layer normalization.
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
                            f"in float32{how}, {part} differs from that in float64 by more than rounding: a step "
                            "rounds to a narrower type, or takes another path"
                        )
                        fail(narrow, problem, expected=f"at most {allowed.item():.2g}", got=f"{error.item():.2g}")

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
        """20 steps of Adam bring the outputs of a cell closer to those of a cell with other parameters."""
        cell = new_cell(make, 3, 4, seed=1).train()
        teacher = new_cell(make, 3, 4, seed=2)
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
            fail(
                cell, f"the parameter `{name}` never gets a gradient", expected="a parameter that the outputs depend on"
            )
        if not losses[-1] < losses[0]:
            fail(
                cell,
                "20 steps of Adam do not lower the loss",
                expected=f"below {losses[0]:.6f}",
                got=f"{losses[-1]:.6f}",
            )

    def test_a_run_trains_resumes_samples_and_exports(self, make: CellFactory) -> None:
        """Ten steps of training work, five of them again after a checkpoint, and so do sampling and the export."""
        require_run(make)

    def test_backends_agree(self, make: CellFactory) -> None:
        """Every installed backend that runs the cell computes the same, and so does a GPU if there is one."""
        require_equal_backends(make, self.slow_backends)


def _growth(sizes: list[float]) -> float:
    """Return the mean of the last quarter of the sizes, relative to that of the first."""
    quarter = len(sizes) // 4
    return (fmean(sizes[-quarter:]) + 1e-3) / (fmean(sizes[:quarter]) + 1e-3)

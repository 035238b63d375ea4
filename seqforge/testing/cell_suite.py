"""The conformance suite of cells, for subclasses in the tests of a plugin, with a short run of training."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, cast
from unittest import SkipTest, mock

import safetensors.torch
import torch

from seqforge.api import Run, export, texts, train
from seqforge.experiment.experiment import Experiment
from seqforge.kinds import Cell, scan
from seqforge.kinds.backend import sliced
from seqforge.kinds.cell_contract import (
    CellCase,
    Parts,
    detached_place,
    initial_state_fault,
    kept_tensor_fault,
    large_input_fault,
    order_fault,
    read_forward,
    read_steps,
    results_of,
    results_with_gradients,
    sequence_fault,
    state_change,
    symbol_fault,
    training_randomness_fault,
)
from seqforge.kinds.cell_tensors import device_fault, registration_fault, type_fault
from seqforge.registry import PluginState, Registry
from seqforge.testing import cell_checks as checks
from seqforge.testing.backend_suite import require_equal_backends
from seqforge.testing.cell_case import (
    LARGE,
    SMALL,
    TYPICAL,
    CaseSizes,
    CellFactory,
    build_case,
    each_case,
    new_cell,
    require_same,
    rows_of,
)
from seqforge.testing.conformance import Suite, fail, name_of, require_equal, require_no_fault

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

_TEXT = "The quick brown fox jumps over the lazy dog.\n" * 12
_STEPS, _LAYERS = 10, 2


def require_run(make_cell: CellFactory) -> None:
    """Train two layers of a cell for ten steps, repeat the last five, draw a sample, and export the model.

    Raises:
        ConformanceError: If a result depends on whether the run was interrupted, or changes in the exported model.
    """
    registry = Registry.installed()
    if not any(plugin.name == "essentials" and plugin.state is PluginState.OK for plugin in registry.plugins):
        raise SkipTest("a run needs the default vocabulary and loss, those of the plugin essentials")
    with tempfile.TemporaryDirectory() as name, mock.patch.dict(os.environ, SEQFORGE_CACHE=f"{name}/cache"):
        folder = Path(name)
        run = train(_experiment(make_cell, registry), folder / "runs", progress=False)
        model = run.model("latest", device="cpu")
        _require_separate_layers(make_cell, list(cast("Any", model).stack.cells))
        weights = dict(model.state_dict())
        again = dict(run.resume(_STEPS // 2, progress=False).model("latest", device="cpu").state_dict())
        problem = "{part} differs after a run is resumed, so that the run cannot be repeated"
        require_equal(make_cell, problem, _named(again), _named(weights), tolerance=0.0)
        exported = export(run, folder / "model", checkpoint="latest", precision="float32")
        samples = [_sample(each, run.experiment.registry) for each in (run, exported)]
        if samples[0] != samples[1]:
            fail(make_cell, "the exported model draws another sample", expected=repr(samples[0]), got=repr(samples[1]))


def _experiment(make_cell: CellFactory, registry: Registry) -> Experiment:
    # A cell that supports other input sizes only reads embeddings of the size of its output.
    embedding = {} if make_cell(5, 8).input_size == 5 else {"embedding_size": make_cell(8, 8).input_size}
    steps = {"steps": _STEPS, "batch_size": 2, "sequence_length": 8, "checkpoint_interval": _STEPS // 2}
    return Experiment(
        corpus=texts([_TEXT]),
        model={"cells": [_class_of(make_cell)] * _LAYERS, **embedding},
        training={**steps, "backend": "eager"},  # Another test compares the other backends.
        evaluation={"interval": _STEPS},
        sampling={"count": 1, "length": 1},
        registry=registry,
    )


def _class_of(make_cell: CellFactory) -> type[Cell[Any]]:
    """Return a class without options whose instances are what a function returns for 8 units."""

    class Made(Cell[Any]):
        # The cell is no instance of this class, so that Python does not call `__init__`, which states that there are no
        # options.
        def __new__(cls, input_size: int) -> Any:
            return make_cell(input_size, 8)

        def __init__(self, input_size: int) -> None: ...

    made: Any = Made
    made.__name__, made.__abstractmethods__ = name_of(make_cell).strip("<>"), frozenset[str]()
    return made


def _require_separate_layers(make_cell: CellFactory, cells: list[Cell[Any]]) -> None:
    first, second = (dict(cell.named_parameters()) for cell in cells)
    for name, parameter in first.items():
        if parameter is second.get(name):
            problem = f"two layers share the parameter `{name}`"
            fail(make_cell, problem, expected="a parameter that `__init__` creates for each cell")


def _sample(run: Run, registry: Registry) -> str:
    return Run.open(run.path, registry=registry).sample("The ", length=20, checkpoint="latest", device="cpu")[0]


def _named(parameters: dict[str, Any]) -> dict[str, Any]:
    return {f"`{name}`": value for name, value in parameters.items()}


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
        batch = case.inputs.shape[1]
        for rows in (batch, batch + 70):  # A tensor without a batch can have as many units as there are rows.
            require_no_fault(case.cell, initial_state_fault(case.cell, rows))
        require_no_fault(case.cell, sequence_fault(*case) or kept_tensor_fault(*case))
        for name, part in results_of(read_forward(*case)).items():
            if not part.isfinite().all():
                fail(case.cell, f"{name} is not finite for normally distributed inputs")

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
        case = build_case(make, CaseSizes(6, 3, 4, 16))
        require_no_fault(case.cell, order_fault(*case))

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
        require_no_fault(case.cell, training_randomness_fault(case.cell.train(), case.inputs, case.state))

    @each_case()
    def test_gradients_are_right(self, case: CellCase) -> None:
        """Gradients of parameters, inputs and state agree with finite differences."""
        checks.require_gradients(case)

    @each_case()
    def test_symbols_are_unit_vectors(self, case: CellCase) -> None:
        """If the cell reads symbols, they have the same outputs as the unit vectors for which they stand."""
        require_no_fault(case.cell, symbol_fault(case.cell, case.inputs.argmax(-1), case.state))

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
        cell = new_cell(make, 3, 4, seed=0).float()
        require_no_fault(cell, large_input_fault(cell))

    def test_training_lowers_the_loss(self, make: CellFactory) -> None:
        """A few optimizer steps bring the outputs of a cell closer to those of a cell with other parameters."""
        checks.require_learning(make)

    def test_a_run_trains_resumes_samples_and_exports(self, make: CellFactory) -> None:
        """Ten steps of training work, five of them again after a checkpoint, and so do sampling and the export."""
        require_run(make)

    def test_backends_agree(self, make: CellFactory) -> None:
        """Every installed backend that runs the cell computes the same, and so does a GPU if there is one."""
        require_equal_backends(make, self.slow_backends)

"""The conformance suite of backends, for subclasses in the tests of a plugin."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings, strategies
from hypothesis.strategies import SearchStrategy
from torch import Tensor
from torch.nn import functional

from seqforge.interfaces import Backend, BackendContext, Cell, State, map_state, scan
from seqforge.model import install_backend
from seqforge.testing.strategies import CellFactory, cell_cases, run_on_each, sizes

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-5, torch.bfloat16: 0.05}
"""Maximum distance between a result and the reference, relative to the norm, for each type of the products."""


@dataclass(frozen=True, slots=True)
class BackendCase:
    """A cell that runs on a backend, a copy of it without a backend, and a sequence.

    Attributes:
        cell: Cell on the backend, in float64 if the products are in float64, otherwise in float32.
        inputs: Vectors `[time, batch, input]`.
        state: State before the first step.
        dtype: Type of the products.
        reference: Copy of the cell in float64, without a backend.
    """

    cell: Cell[Any]
    inputs: Tensor
    state: State
    dtype: torch.dtype
    reference: Cell[Any]

    def read(self, inputs: Tensor, state: State, cell: Cell[Any] | None = None) -> tuple[Tensor, State]:
        """Return the outputs and the last state of the cell, or of another cell, with products in `dtype`."""
        enabled = self.dtype == torch.bfloat16
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=enabled):
            return (cell or self.cell)(inputs, state)

    def scan(self, inputs: Tensor, state: State, cell: Cell[Any] | None = None) -> tuple[Tensor, State]:
        """Return the outputs and the last state of the reference, or another cell, by a scan of `step` in float64."""
        cell = cell or self.reference
        if inputs.is_floating_point():
            inputs = inputs.double()
        wide = map_state(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor, state)
        return scan(cell.step, cell.project(inputs), wide)


class BackendSuite:
    """Tests that every backend must pass: it must agree with a scan of `Cell.step` in float64.

    Name your backend and the cells to test it with in a subclass whose name begins with `Test`.

    ```python
    from typing import ClassVar

    from seqforge.testing import BackendSuite


    class TestNative(BackendSuite):
        backend: ClassVar = NativeBackend
        cells: ClassVar = {"lstm": LSTM}
        dtypes: ClassVar = [torch.float32]
    ```

    If the backend cannot run a cell in a type on this machine, the test is skipped with the reason of the backend.

    Attributes:
        backend: Class of the backend.
        cells: Functions that return a cell for an input size and a hidden size, by name.
        dtypes: Types of the products. For bfloat16, the cells must be smooth functions: at a jump of the derivative,
            such as that of relu at 0, rounding can change a gradient by more than any tolerance.
        device: Device on which the cells run.
        examples: Number of random examples for each test. Use few for a backend that compiles each cell.
        time: Strategy for the number of steps.
        batch: Strategy for the number of sequences in a batch.
        features: Strategy for the input size and the hidden size.
    """

    backend: ClassVar[type[Backend]]
    cells: ClassVar[Mapping[str, CellFactory]]
    dtypes: ClassVar[Sequence[torch.dtype]] = tuple(TOLERANCES)
    device: ClassVar[str] = "cpu"
    examples: ClassVar[int] = 8
    time: ClassVar[SearchStrategy[int]] = strategies.integers(2, 9)
    batch: ClassVar[SearchStrategy[int]] = sizes(20)
    features: ClassVar[SearchStrategy[int]] = sizes(70)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every test on every cell and type. pytest calls this.

        Raises:
            UsageError: If the subclass names no backend or lists no cell.
        """
        if not hasattr(self, "backend"):
            raise pytest.UsageError(f"{type(self).__name__} must name its backend: backend = MyBackend")
        run_on_each(self, metafunc, "cells", "make_cell", "MyCell")
        if "dtype" in metafunc.fixturenames:
            metafunc.parametrize("dtype", self.dtypes, ids=lambda dtype: str(dtype).removeprefix("torch."))

    def test_a_sequence_is_the_scan_of_step(self, make_cell: CellFactory, dtype: torch.dtype) -> None:
        """Outputs, last state and all gradients agree with the scan of `step`, and the state keeps its type."""

        def check(case: BackendCase) -> None:
            actual, expected = _results(case, case.inputs)
            own = torch.float64 if case.dtype == torch.float64 else torch.float32
            assert actual[0].dtype in (case.dtype, own), f"the outputs are in {actual[0].dtype}"
            state = actual[1 : 1 + len(case.state)]
            assert all(tensor.dtype == own for tensor in state if tensor.is_floating_point()), (
                "the state's type changes"
            )
            assert [each.shape for each in actual] == [each.shape for each in expected], "a result has a wrong shape"
            _assert_near(actual, expected, case, "the results differ from the scan's")

        self._check_cases(make_cell, dtype, check)

    def test_symbols_are_read_as_unit_vectors(self, make_cell: CellFactory, dtype: torch.dtype) -> None:
        """The results and gradients for symbols agree with those of the scan of `step` for one-hot vectors."""

        def check(case: BackendCase) -> None:
            if case.cell.reads_symbols:
                actual, expected = _results(case, case.inputs.argmax(-1))
                _assert_near(actual, expected, case, "the results for symbols differ from the scan's")

        self._check_cases(make_cell, dtype, check)

    def test_results_do_not_depend_on_gradients(self, make_cell: CellFactory, dtype: torch.dtype) -> None:
        """The results agree with the scan of `step` when no gradients are computed, too."""

        def check(case: BackendCase) -> None:
            with torch.no_grad():
                actual = _tensors(case.read(case.inputs, case.state))
                expected = _tensors(case.scan(case.inputs, case.state))
            assert not any(tensor.requires_grad for tensor in actual)
            _assert_near(actual, expected, case, "without gradients the results differ from the scan's")

        self._check_cases(make_cell, dtype, check)

    def test_chunks_that_carry_the_state_are_the_whole(self, make_cell: CellFactory, dtype: torch.dtype) -> None:
        """A sequence in two chunks gives the results of the whole, also if the state is detached or not contiguous."""

        def check(case: BackendCase) -> None:
            cut = len(case.inputs) // 2
            first, between = case.read(case.inputs[:cut], case.state)
            detached = map_state(torch.detach, between)
            # Every other row of a larger batch is not contiguous.
            sliced = map_state(lambda tensor: torch.stack([tensor, tensor], dim=1).flatten(0, 1)[::2], detached)
            expected = _tensors(case.scan(case.inputs, case.state))
            for state in (between, detached, sliced):
                second, after = case.read(case.inputs[cut:], state)
                actual = _tensors((torch.cat([first, second]), after))
                _assert_near(actual, expected, case, "chunks differ from the whole")

        self._check_cases(make_cell, dtype, check)

    def test_parameters_may_change(self, make_cell: CellFactory, dtype: torch.dtype) -> None:
        """After optimizer steps, the cell uses its new parameters."""

        def check(case: BackendCase) -> None:
            optimizer = torch.optim.SGD(case.cell.parameters(), lr=0.5)
            for _ in range(2):
                optimizer.zero_grad()
                cast("Any", case.read(case.inputs, case.state)[0].float().square().mean()).backward()
                optimizer.step()
            changed = _in_float64(case.cell)
            actual, expected = case.read(case.inputs, case.state), case.scan(case.inputs, case.state, changed)
            _assert_near(_tensors(actual), _tensors(expected), case, "changed parameters are not used")

        self._check_cases(make_cell, dtype, check)

    def test_a_copy_has_its_own_parameters(self, make_cell: CellFactory, dtype: torch.dtype) -> None:
        """A deep copy of the cell uses the parameters of the copy."""

        def check(case: BackendCase) -> None:
            other = copy.deepcopy(case.cell)
            with torch.no_grad():
                for parameter in other.parameters():
                    parameter.mul_(-0.5)
            for cell in (other, case.cell):
                actual = case.read(case.inputs, case.state, cell)
                expected = case.scan(case.inputs, case.state, _in_float64(cell))
                _assert_near(_tensors(actual), _tensors(expected), case, "a copy shares its parameters")

        self._check_cases(make_cell, dtype, check)

    def test_the_same_sequence_has_the_same_bits(self, make_cell: CellFactory, dtype: torch.dtype) -> None:
        """Results and gradients are bit-identical in a second call, as resuming a run requires."""

        def check(case: BackendCase) -> None:
            first, again = (_results(case, case.inputs)[0] for _ in range(2))
            assert all(map(torch.equal, first, again)), "a second call returns other bits"

        self._check_cases(make_cell, dtype, check)

    def _check_cases(self, make_cell: CellFactory, dtype: torch.dtype, check: Callable[[BackendCase], None]) -> None:
        """Run a check on random examples of a cell, or skip the test if the backend cannot run the cell."""
        backend, device = self.backend(), torch.device(self.device)
        context = BackendContext(device, dtype)
        own = torch.float64 if dtype == torch.float64 else torch.float32
        refusal = backend.refusal(make_cell(3, 4).to(device, own), context)
        if refusal is not None:
            pytest.skip(f"{type(backend).__name__} cannot run it: {refusal.reason}")

        @settings(
            deadline=None,
            max_examples=self.examples,
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(drawn=cell_cases(make_cell, time=self.time, batch=self.batch, features=self.features))
        def run(drawn: Any) -> None:
            def narrow(tensor: Tensor) -> Tensor:
                return tensor.to(device, own) if tensor.is_floating_point() else tensor.to(device)

            cell = drawn.cell.to(device, own)
            reference = _in_float64(cell)
            install_backend(backend, cell, context)
            check(BackendCase(cell, narrow(drawn.inputs), map_state(narrow, drawn.state), dtype, reference))

        run()


def _in_float64(cell: Cell[Any]) -> Cell[Any]:
    """Return a copy of a cell in float64, without a backend."""
    wide = copy.deepcopy(cell)
    vars(wide).pop("forward", None)
    return wide.double()


def _results(case: BackendCase, inputs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return the results of the backend, and those of the scan of `step`: outputs, last state and gradients.

    The gradients are those of a weighted sum of outputs and state, with respect to state, inputs and parameters.
    """
    results: list[list[Tensor]] = []
    for cell, read in ((case.cell, case.read), (case.reference, case.scan)):
        state = map_state(lambda tensor: tensor.detach().clone().requires_grad_(tensor.is_floating_point()), case.state)
        leaves = [tensor for tensor in state if tensor.requires_grad]
        own_inputs = inputs.detach().clone()
        if inputs.is_floating_point():
            leaves.append(own_inputs.requires_grad_())
        elif cell is case.reference:
            own_inputs = functional.one_hot(inputs, cell.input_size).double()
        outputs = _tensors(read(own_inputs, state))
        generator = torch.Generator().manual_seed(1)
        weights = [torch.randn(each.shape, generator=generator).to(each.device) for each in outputs]
        total = torch.stack([(one.double() * weight).sum() for one, weight in zip(outputs, weights, strict=True)]).sum()
        leaves += [parameter for parameter in cell.parameters() if parameter.requires_grad]
        gradients = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
        results.append([each.detach() for each in (*outputs, *gradients)])
    return results[0], results[1]


def _tensors(reading: tuple[Tensor, State]) -> list[Tensor]:
    return [reading[0], *reading[1]]


def _assert_near(actual: Sequence[Tensor], expected: Sequence[Tensor], case: BackendCase, claim: str) -> None:
    """Check that each difference is small in relation to the norm of the expected tensor."""
    tolerance = TOLERANCES[case.dtype]
    steps = case.inputs.shape[0] * case.inputs.shape[1]
    for index, (one, other) in enumerate(zip(actual, expected, strict=True)):
        distance = torch.dist(one.detach().double(), other.detach().double()).item()
        # A sum over steps and rows may be small, but has the rounding errors of its terms.
        size = max(0.5, 0.1 * steps**0.5) * other.numel() ** 0.5
        assert distance <= tolerance * (torch.linalg.vector_norm(other.detach().double()).item() + size), (
            f"{claim}: result {index} differs by {distance:.3g}"
        )

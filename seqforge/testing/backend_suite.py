"""The conformance suite of backends, for subclasses in the tests of a plugin."""

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, cast

import pytest
import torch
from hypothesis import strategies
from hypothesis.strategies import SearchStrategy

from seqforge.kinds import Backend, BackendContext, map_state
from seqforge.testing.backend_case import (
    TOLERANCES,
    BackendCase,
    backend_case,
    parameter_dtype,
    require_scan,
)
from seqforge.testing.cell_case import CellFactory, results_of, sizes
from seqforge.testing.conformance import Suite, fail, name_like, require_equal
from seqforge.testing.each_case import for_each_case


def _each_case(check: Callable[[Any, BackendCase], None]) -> Callable[..., None]:
    """Convert a method that checks one case to a test, which is skipped if the backend cannot run the cell."""

    def test(suite: "BackendSuite", make: CellFactory, dtype: torch.dtype) -> None:
        backend = suite.backend()
        context = BackendContext(torch.device(suite.device), dtype)
        refusal = backend.refusal(make(3, 4).to(context.device, parameter_dtype(dtype)), context)
        if refusal is not None:
            pytest.skip(f"{type(backend).__name__} cannot run it: {refusal.reason}")
        for_each_case(
            make,
            lambda case: check(suite, backend_case(backend, case, context)),
            subject=backend,
            examples=suite.examples,
            first=(),
            time=suite.time,
            batch=suite.batch,
            features=suite.features,
        )

    return name_like(test, check)


class BackendSuite(Suite, kind="cell"):
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
        super().pytest_generate_tests(metafunc)
        if "dtype" in metafunc.fixturenames:
            metafunc.parametrize("dtype", self.dtypes, ids=lambda dtype: str(dtype).removeprefix("torch."))

    @_each_case
    def test_a_sequence_is_the_scan_of_step(self, case: BackendCase) -> None:
        """Outputs, last state and all gradients agree with the scan of `step`, and the state keeps its type."""
        require_scan(case)

    @_each_case
    def test_symbols_are_read_as_unit_vectors(self, case: BackendCase) -> None:
        """The results and gradients for symbols agree with those of the scan of `step` for one-hot vectors."""
        if case.cell.reads_symbols:
            problem = "{part} for symbols differs from the scan of `step` for unit vectors"
            case.require_near(problem, case.results(case.inputs.argmax(-1)))

    @_each_case
    def test_results_do_not_depend_on_gradients(self, case: BackendCase) -> None:
        """The results agree with the scan of `step` when no gradients are computed, too."""
        with torch.no_grad():
            actual = case.require_near("{part} without gradients differs from the scan of `step`", case.outputs)
        for part, tensor in actual.items():
            if tensor.requires_grad:
                fail(case.backend, f"{part} requires a gradient inside `torch.no_grad()`")

    @_each_case
    def test_chunks_that_carry_the_state_are_the_whole(self, case: BackendCase) -> None:
        """A sequence in two chunks gives the results of the whole, also if the state is detached or not contiguous."""
        cut = len(case.inputs) // 2
        first, between = case.read(case.cell, case.inputs[:cut], case.state)
        detached = map_state(torch.detach, between)
        # Every other row of a larger batch is not contiguous.
        sliced = map_state(lambda tensor: torch.stack([tensor, tensor], dim=1).flatten(0, 1)[::2], detached)
        kinds = {"": between, " with a detached state": detached, " with a state that is not contiguous": sliced}
        for kind, state in kinds.items():
            second, after = case.read(case.cell, case.inputs[cut:], state)
            actual = results_of((torch.cat([first, second]), after))
            case.require_near(f"{{part}} differs after chunking{kind}", case.outputs, actual)

    @_each_case
    def test_parameters_may_change(self, case: BackendCase) -> None:
        """After optimizer steps, the cell uses its new parameters."""
        optimizer = torch.optim.SGD(case.cell.parameters(), lr=0.5)
        for _ in range(2):
            optimizer.zero_grad()
            outputs, _ = case.read(case.cell, case.inputs, case.state)
            cast("Any", outputs.float().square().mean()).backward()
            optimizer.step()
        problem = "{part} does not change as it must after an optimizer step: the backend uses old parameters"
        case.require_near(problem, case.outputs)

    @_each_case
    def test_a_copy_has_its_own_parameters(self, case: BackendCase) -> None:
        """A deep copy of the cell uses the parameters of the copy."""
        other = copy.deepcopy(case.cell)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.mul_(-0.5)
        for cell in (other, case.cell):
            problem = "{part} is wrong in a deep copy: it shares the parameters"
            dataclasses.replace(case, cell=cell).require_near(problem, case.outputs)

    @_each_case
    def test_the_same_sequence_has_the_same_bits(self, case: BackendCase) -> None:
        """Results and gradients are bit-identical in a second call, as resuming a run requires."""
        first, again = (case.results(case.inputs)(case.read, case.cell) for _ in range(2))
        problem = "{part} has other bits in a second call, so that a run cannot be resumed"
        require_equal(case.backend, problem, again, first, tolerance=0.0)

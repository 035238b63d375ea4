"""The conformance suite of backends, for subclasses in the tests of a plugin."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar
from unittest import SkipTest

import torch

from seqforge.kinds import Backend, BackendContext
from seqforge.kinds import backend as contract
from seqforge.kinds.backend import TOLERANCES, BackendCase, backend_case, parameter_dtype
from seqforge.kinds.cell_contract import CellCase
from seqforge.model import EAGER, load_backends
from seqforge.registry import Registry
from seqforge.testing.cell_case import LARGE, SMALL, CaseSizes, CellFactory, build_case, for_each_case
from seqforge.testing.conformance import ConformanceError, Suite, describe_error, require_no_fault

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

SIZES = (CaseSizes(9, 20, 7, 70), *SMALL[:3], CaseSizes(4, 17, 33, 16), *LARGE[2:])
"""Sizes of the cases with which a backend is tested."""

_FEW_SIZES = (CaseSizes(4, 3, 5, 6), CaseSizes(33, 17, 5, 6))
_SLOW = 10.0


class BackendSuite(Suite, kind="cell"):
    """Tests that every backend must pass: it must agree with a scan of `Cell.step` in float64.

    Name your backend and the cells to test it with in a subclass whose name begins with `Test`.

    ```python
    from typing import ClassVar

    from seqforge.testing.backend_suite import BackendSuite


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
        sizes: Sizes of the cases. Name few for a backend that compiles each cell.
    """

    backend: ClassVar[type[Backend]]
    cells: ClassVar[Mapping[str, CellFactory]]
    dtypes: ClassVar[Sequence[torch.dtype]] = tuple(TOLERANCES)
    device: ClassVar[str] = "cpu"
    sizes: ClassVar[Sequence[CaseSizes]] = SIZES

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Run every test on every cell and type. pytest calls this.

        Raises:
            UsageError: If the subclass names no backend or lists no cell.
        """
        import pytest

        if not hasattr(self, "backend"):
            raise pytest.UsageError(f"{type(self).__name__} must name its backend: backend = MyBackend")
        super().pytest_generate_tests(metafunc)
        if "dtype" in metafunc.fixturenames:
            metafunc.parametrize("dtype", self.dtypes, ids=[str(dtype).removeprefix("torch.") for dtype in self.dtypes])

    def test_a_sequence_is_the_scan_of_step(self, make: CellFactory, dtype: torch.dtype) -> None:
        """Outputs, last state and all gradients agree with the scan of `step`, and the state keeps its type."""
        self._require(contract.sequence_fault, make, dtype)

    def test_symbols_are_read_as_unit_vectors(self, make: CellFactory, dtype: torch.dtype) -> None:
        """The results and gradients for symbols agree with those of the scan of `step` for one-hot vectors."""
        self._require(contract.symbol_fault, make, dtype)

    def test_results_do_not_depend_on_gradients(self, make: CellFactory, dtype: torch.dtype) -> None:
        """The results agree with the scan of `step` when no gradients are computed, too."""
        self._require(contract.inference_fault, make, dtype)

    def test_chunks_that_carry_the_state_are_the_whole(self, make: CellFactory, dtype: torch.dtype) -> None:
        """A sequence in two chunks gives the results of the whole, also if the state is detached or not contiguous."""
        self._require(contract.chunk_fault, make, dtype)

    def test_parameters_may_change(self, make: CellFactory, dtype: torch.dtype) -> None:
        """After optimizer steps, the cell uses its new parameters."""
        self._require(contract.parameter_fault, make, dtype)

    def test_a_copy_has_its_own_parameters(self, make: CellFactory, dtype: torch.dtype) -> None:
        """A deep copy of the cell uses the parameters of the copy."""
        self._require(contract.copy_fault, make, dtype)

    def test_the_same_sequence_has_the_same_bits(self, make: CellFactory, dtype: torch.dtype) -> None:
        """Results and gradients are bit-identical in a second call, as resuming a run requires."""
        self._require(contract.repetition_fault, make, dtype)

    def _require(self, rule: Callable[[BackendCase], str | None], make: CellFactory, dtype: torch.dtype) -> None:
        """Check a rule at every size, or skip the test if the backend cannot run the cell."""
        backend = self.backend()
        context = BackendContext(torch.device(self.device), dtype)
        cell = make(3, 4).to(context.device, parameter_dtype(dtype))
        if (refusal := backend.refusal(cell, context)) is not None:
            raise SkipTest(f"{type(backend).__name__} cannot run it: {refusal.reason}")

        def check(case: CellCase) -> None:
            on_backend = backend_case(backend, case, context)
            require_no_fault(on_backend.subject, rule(on_backend))

        for_each_case(make, check, self.sizes, backend)


def require_equal_backends(make_cell: CellFactory, slow_backends: bool) -> None:
    """Check that every backend that runs a cell agrees with the scan of `step`, and so does a GPU if there is one.

    Args:
        make_cell: Function that returns a cell.
        slow_backends: Whether to test backends that compile the cell for more than 10 seconds.
    """
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for name, backend in load_backends(Registry.installed()).items():
        for device in devices:
            for dtype in (torch.float64, torch.float32):
                context = BackendContext(torch.device(device), dtype)
                if name == EAGER and (device == "cpu" or dtype == torch.float32):
                    continue  # Other tests compare `forward` with `step` in float64 on the CPU.
                cell = make_cell(3, 4).to(context.device, parameter_dtype(dtype))
                if backend.refusal(cell, context) is not None or (
                    not slow_backends and backend.preparation_seconds(cell, context) > _SLOW
                ):
                    continue
                for sizes in _FEW_SIZES:
                    try:
                        case = backend_case(backend, build_case(make_cell, sizes), context)
                        require_no_fault(case.subject, contract.sequence_fault(case))
                    except Exception as error:  # noqa: BLE001 - the message describes it
                        failure = error if isinstance(error, ConformanceError) else describe_error(make_cell, error)
                        place = f"the backend {name!r}{' on cuda' if device == 'cuda' else ''}"
                        raise ConformanceError(f"{failure} (on {place}, with {sizes})") from None
                break  # In a second type, the backend would compile the cell again.

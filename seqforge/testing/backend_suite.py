"""The conformance suite of backends, for subclasses in the tests of a plugin."""

import copy
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, NoReturn, cast
from unittest import SkipTest

import torch
from torch import Tensor
from torch.nn import functional

from seqforge.kinds import Backend, BackendContext, Cell, SequenceFunction, State, map_state
from seqforge.model.install_backend import load_backends
from seqforge.model.measure_backends import EAGER
from seqforge.registry.registry import Registry
from seqforge.testing.cell_case import (
    LARGE,
    SMALL,
    CaseSizes,
    CellCase,
    CellFactory,
    CellResult,
    Read,
    build_case,
    for_each_case,
    read_steps,
    results_of,
    results_with_gradients,
    sliced,
)
from seqforge.testing.conformance import ConformanceError, Parts, Suite, describe_error, fail, name_like

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

TOLERANCES = MappingProxyType({torch.float64: 1e-9, torch.float32: 1e-5, torch.bfloat16: 0.05})
"""Maximum distance between a result and the reference, relative to the norm, for each type of the products."""

SIZES = (CaseSizes(9, 20, 7, 70), *SMALL[:3], CaseSizes(4, 17, 33, 16), *LARGE[2:])
"""Sizes of the cases with which a backend is tested."""

_FEW_SIZES = (CaseSizes(4, 3, 5, 6), CaseSizes(33, 17, 5, 6))
_SLOW = 10.0

Results = Callable[[CellCase, Read], Parts]
"""Function that computes results of a case with a function that reads its sequence."""


class BackendCase(NamedTuple):
    """A cell that runs on a backend, and a sequence.

    Attributes:
        cell: Cell, in float64 if the products are in float64, otherwise in float32.
        inputs: Vectors `[time, batch, input]`.
        state: State before the first step.
        context: Device, and type of the products.
        function: Function of the backend that reads sequences with the cell.
    """

    backend: Backend
    cell: Cell[Any]
    inputs: Tensor
    state: State
    context: BackendContext
    function: SequenceFunction

    @classmethod
    def of(cls, backend: Backend, case: CellCase, context: BackendContext) -> "BackendCase":
        """Convert a case to the device and the types of a context, and let a backend read it."""
        dtype = parameter_dtype(context.dtype)

        def convert(tensor: Tensor) -> Tensor:
            return tensor.to(context.device, dtype if tensor.is_floating_point() else None)

        cell = case.cell.to(context.device, dtype)
        function = backend.checked_function(cell, context)
        return cls(backend, cell, convert(case.inputs), map_state(convert, case.state), context, function)

    def read(self, cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
        """Return the outputs and the last state of the cell on the backend."""
        return self._read(self.function, inputs, state)

    def _read(self, function: SequenceFunction, inputs: Tensor, state: State) -> CellResult:
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.context.dtype == torch.bfloat16):
            return function(inputs, state)

    @property
    def cell_case(self) -> CellCase:
        """The cell and the sequence."""
        return CellCase(self.cell, self.inputs, self.state)

    def fail(self, fault: str) -> NoReturn:
        """Raise the error for what is wrong, about a subject such as "NativeBackend on LSTM in float32"."""
        dtype = str(self.context.dtype).removeprefix("torch.")
        fail(f"{type(self.backend).__name__} on {type(self.cell).__name__} in {dtype}", fault)

    def require_scan(self, problem: str, compute: Results, actual: Parts | None = None) -> None:
        """Check that results of the backend are near to those of the scan of `step` in float64.

        The distance is relative to the norm. It may be larger if `forward` is as far from the scan in the type of the
        products: then the cell is ill-conditioned.

        Args:
            problem: What a difference means; `{part}` stands for the name of the result that differs.
            compute: Function that computes the results.
            actual: Results of the backend, if `compute` does not compute them.
        """
        wide = self.cell_case._replace(cell=copy.deepcopy(self.cell).double())
        expected = compute(wide, _read_steps_in_float64)
        actual = compute(self.cell_case, self.read) if actual is None else actual
        dtype = self.context.dtype
        for part, wanted in expected.items():
            if actual[part].shape != wanted.shape:
                self.fail(f"{part} has another shape: expected {list(wanted.shape)}, got {list(actual[part].shape)}")
            distance = _distance(actual[part], wanted)
            # A sum over steps and rows may be small, but has the rounding errors of its terms.
            size = max(0.5, 0.1 * (self.inputs.shape[0] * self.inputs.shape[1]) ** 0.5) * wanted.numel() ** 0.5
            allowed = TOLERANCES[dtype] * (_distance(wanted, torch.zeros_like(wanted)) + size)
            if not distance <= allowed and dtype != torch.float64:
                # A cell is also a function that reads a sequence.
                allowed += 4 * _distance(compute(self.cell_case, self._read)[part], wanted)
            if not distance <= allowed:
                expectation = f"expected a distance of at most {allowed:.2g}, got {distance:.2g}"
                self.fail(f"{problem.format(part=part)}: {expectation}")

    def require_sequence(self) -> None:
        """Check that outputs, last state and all gradients are those of the scan, and that the state keeps its type."""
        actual = results_with_gradients(self.cell_case, self.read)
        self.require_scan("{part} differs from the scan of `step`", results_with_gradients, actual)
        own = parameter_dtype(self.context.dtype)
        if (output := actual["the output"].dtype) not in (self.context.dtype, own):
            self.fail(f"the output has another type: expected {own}, got {output}")
        for name, tensor in actual.items():
            if name.startswith("`state.") and tensor.is_floating_point() and tensor.dtype != own:
                self.fail(f"the type of {name} changes: expected {own}, got {tensor.dtype}")


def parameter_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the type of parameters and states for a type of products."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def _read_steps_in_float64(cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
    inputs = inputs.double() if inputs.is_floating_point() else functional.one_hot(inputs, cell.input_size).double()
    return read_steps(cell, inputs, map_state(lambda part: part.double() if part.is_floating_point() else part, state))


def _outputs(case: CellCase, read: Read) -> Parts:
    return results_of(read(*case))


def _distance(one: Tensor, other: Tensor) -> float:
    return torch.dist(one.detach().double(), other.detach().double()).item()


def _each_case(check: Callable[[Any, BackendCase], None]) -> Callable[..., None]:
    """Convert a method that checks one case to a test of a cell and a type at every size.

    It is skipped if the backend cannot run the cell.
    """

    def test(suite: "BackendSuite", make: CellFactory, dtype: torch.dtype) -> None:
        backend = suite.backend()
        context = BackendContext(torch.device(suite.device), dtype)
        cell = make(3, 4).to(context.device, parameter_dtype(dtype))
        if (refusal := backend.refusal(cell, context)) is not None:
            raise SkipTest(f"{type(backend).__name__} cannot run it: {refusal.reason}")
        for_each_case(make, lambda case: check(suite, BackendCase.of(backend, case, context)), suite.sizes, backend)

    return name_like(test, check)


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

    @_each_case
    def test_a_sequence_is_the_scan_of_step(self, case: BackendCase) -> None:
        """Outputs, last state and all gradients agree with the scan of `step`, and the state keeps its type."""
        case.require_sequence()

    @_each_case
    def test_symbols_are_read_as_unit_vectors(self, case: BackendCase) -> None:
        """The results and gradients for symbols agree with those of the scan of `step` for one-hot vectors."""
        if case.cell.reads_symbols:
            problem = "{part} for symbols differs from the scan of `step` for unit vectors"
            case._replace(inputs=case.inputs.argmax(-1)).require_scan(problem, results_with_gradients)

    @_each_case
    def test_results_do_not_depend_on_gradients(self, case: BackendCase) -> None:
        """The results agree with the scan of `step` when no gradients are computed, too."""
        with torch.no_grad():
            actual = _outputs(case.cell_case, case.read)
            case.require_scan("{part} without gradients differs from the scan of `step`", _outputs, actual)
        for part, tensor in actual.items():
            if tensor.requires_grad:
                case.fail(f"{part} requires a gradient inside `torch.no_grad()`")

    @_each_case
    def test_chunks_that_carry_the_state_are_the_whole(self, case: BackendCase) -> None:
        """A sequence in two chunks gives the results of the whole, also if the state is detached or not contiguous."""
        if not (cut := len(case.inputs) // 2):
            return
        first, between = case.read(case.cell, case.inputs[:cut], case.state)
        detached = map_state(torch.detach, between)
        kinds = {"": between, " with a detached state": detached}
        kinds[" with a state that is not contiguous"] = sliced(detached)
        for kind, state in kinds.items():
            second, after = case.read(case.cell, case.inputs[cut:], state)
            actual = results_of((torch.cat([first, second]), after))
            case.require_scan(f"{{part}} differs after chunking{kind}", _outputs, actual)

    @_each_case
    def test_parameters_may_change(self, case: BackendCase) -> None:
        """After optimizer steps, the cell uses its new parameters."""
        optimizer = torch.optim.SGD(case.cell.parameters(), lr=0.5)
        for _ in range(2):
            optimizer.zero_grad()
            outputs, _ = case.read(*case.cell_case)
            cast("Any", outputs.float().square().mean()).backward()
            optimizer.step()
        problem = "{part} does not change as it must after an optimizer step: the backend uses old parameters"
        case.require_scan(problem, _outputs)

    @_each_case
    def test_a_copy_has_its_own_parameters(self, case: BackendCase) -> None:
        """A deep copy of the cell uses the parameters of the copy."""
        other = copy.deepcopy(case.cell)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.mul_(-0.5)
        changed = case._replace(cell=other, function=case.backend.checked_function(other, case.context))
        for each in (changed, case):
            each.require_scan("{part} is wrong in a deep copy: it shares the parameters", _outputs)

    @_each_case
    def test_the_same_sequence_has_the_same_bits(self, case: BackendCase) -> None:
        """Results and gradients are bit-identical in a second call, as resuming a run requires."""
        first, again = (results_with_gradients(case.cell_case, case.read) for _ in range(2))
        for part, tensor in first.items():
            if not torch.equal(tensor, again[part]):
                case.fail(f"{part} has other bits in a second call, so that a run cannot be resumed")


def require_equal_backends(make_cell: CellFactory, slow_backends: bool) -> None:
    """Check that every backend that runs a cell agrees with the scan of `step`, and so does a GPU if there is one.

    Backends that compile the cell for more than 10 seconds are slow.
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
                        BackendCase.of(backend, build_case(make_cell, sizes), context).require_sequence()
                    except Exception as error:  # noqa: BLE001 - the message describes it
                        failure = error if isinstance(error, ConformanceError) else describe_error(make_cell, error)
                        place = f"the backend {name!r}{' on cuda' if device == 'cuda' else ''}"
                        raise ConformanceError(f"{failure} (on {place}, with {sizes})") from None
                break  # In a second type, the backend would compile the cell again.

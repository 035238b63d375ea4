"""A cell on a backend and the scan of its step in float64, and the comparison of their results."""

import copy
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from seqforge.kinds import Backend, BackendContext, Cell, State, map_state, scan
from seqforge.model import EAGER, install_backend, load_backends
from seqforge.registry import Registry
from seqforge.testing.cell_case import (
    CaseSizes,
    CellCase,
    CellFactory,
    CellResult,
    build_case,
    gradients_of,
    results_of,
)
from seqforge.testing.conformance import ConformanceError, Parts, describe_error, fail

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-5, torch.bfloat16: 0.05}
"""Maximum distance between a result and the reference, relative to the norm, for each type of the products."""

_SIZES = (CaseSizes(4, 3, 5, 6), CaseSizes(33, 17, 5, 6))
_SLOW = 10.0


@dataclass(frozen=True, slots=True)
class BackendCase:
    """A cell that runs on a backend, a copy of it without a backend, and a sequence.

    Attributes:
        backend: The backend.
        cell: Cell on the backend, in float64 if the products are in float64, otherwise in float32.
        inputs: Vectors `[time, batch, input]`.
        state: State before the first step.
        dtype: Type of the products.
        reference: Copy of the cell in float64, without a backend.
    """

    backend: Backend
    cell: Cell[Any]
    inputs: Tensor
    state: State
    dtype: torch.dtype
    reference: Cell[Any]

    def read(self, inputs: Tensor, state: State, cell: Cell[Any] | None = None) -> CellResult:
        """Return the outputs and the last state of the cell, or of another cell, with products in `dtype`."""
        enabled = self.dtype == torch.bfloat16
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=enabled):
            return (cell or self.cell)(inputs, state)

    def scan(self, inputs: Tensor, state: State, cell: Cell[Any] | None = None) -> CellResult:
        """Return the outputs and the last state of the reference, or another cell, by a scan of `step` in float64."""
        cell = cell or self.reference
        inputs = inputs.double() if inputs.is_floating_point() else functional.one_hot(inputs, cell.input_size).double()
        wide = map_state(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor, state)
        return scan(cell.step, cell.project(inputs), wide)

    def results(self, inputs: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the results of the backend, and those of the scan: outputs, last state and gradients, by name."""
        return self._differentiate(self.cell, self.read, inputs), self._differentiate(self.reference, self.scan, inputs)

    def _differentiate(self, cell: Cell[Any], read: Any, inputs: Tensor) -> dict[str, Tensor]:
        results: list[CellResult] = []

        def keep(_: Cell[Any], inputs: Tensor, state: State) -> CellResult:
            results.append(read(inputs, state))
            return results[0]

        gradients = gradients_of(CellCase(cell, inputs, self.state), keep)
        return {**results_of(results[0]), **gradients}

    def require_near(self, problem: str, actual: Parts, expected: Parts) -> None:
        """Check that the distance of each result from the expected one is small in relation to its norm.

        Args:
            problem: What a difference means; `{part}` stands for the name of the result that differs.
            actual: Results of the backend.
            expected: Results of the scan.

        Raises:
            ConformanceError: If a result has another shape or differs too much.
        """
        tolerance = TOLERANCES[self.dtype]
        steps = self.inputs.shape[0] * self.inputs.shape[1]
        subject = (
            f"{type(self.backend).__name__} on {type(self.cell).__name__} in {str(self.dtype).removeprefix('torch.')}"
        )
        for part, wanted in expected.items():
            one, other = actual[part].detach().double(), wanted.detach().double()
            if one.shape != other.shape:
                fail(self.backend, f"{part} has another shape", expected=list(other.shape), got=list(one.shape))
            distance = torch.dist(one, other).item()
            # A sum over steps and rows may be small, but has the rounding errors of its terms.
            size = max(0.5, 0.1 * steps**0.5) * other.numel() ** 0.5
            largest: float = tolerance * (cast("Tensor", torch.linalg.vector_norm(other)).item() + size)
            if not distance <= largest:
                fail(
                    subject,
                    problem.format(part=part),
                    expected=f"a distance of at most {largest:.2g}",
                    got=f"{distance:.2g}",
                )


def backend_case(backend: Backend, case: CellCase, context: BackendContext) -> BackendCase:
    """Install a backend in the cell of a case."""
    own = parameter_dtype(context.dtype)

    def convert(tensor: Tensor) -> Tensor:
        return tensor.to(context.device, own) if tensor.is_floating_point() else tensor.to(context.device)

    cell = case.cell.to(context.device, own)
    reference = without_backend(cell)
    install_backend(backend, cell, context)
    state = map_state(convert, case.state)
    return BackendCase(backend, cell, convert(case.inputs), state, context.dtype, reference)


def parameter_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the type of parameters and states for a type of products."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def without_backend(cell: Cell[Any]) -> Cell[Any]:
    """Return a copy of a cell in float64, without a backend."""
    wide = copy.deepcopy(cell)
    wide.sequence_function = None
    return wide.double()


def require_scan(case: BackendCase) -> None:
    """Check that outputs, last state and all gradients agree with the scan, and that no type changes.

    Raises:
        ConformanceError: If they do not.
    """
    actual, expected = case.results(case.inputs)
    own = parameter_dtype(case.dtype)
    output = actual["the output"].dtype
    if output not in (case.dtype, own):
        fail(case.backend, "the output has another type", expected=own, got=output)
    for name, tensor in actual.items():
        if name.startswith("`state.") and tensor.is_floating_point() and tensor.dtype != own:
            fail(case.backend, f"the type of {name} changes", expected=own, got=tensor.dtype)
    case.require_near("{part} differs from the scan of `step`", actual, expected)


def require_equal_backends(make_cell: CellFactory, slow_backends: bool) -> None:
    """Check that every backend that runs a cell agrees with the scan of `step`, and so does a GPU if there is one.

    Args:
        make_cell: Function that returns a cell.
        slow_backends: Whether to test backends that compile the cell for more than 10 seconds.

    Raises:
        ConformanceError: If a backend computes something else.
    """
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for name, backend in load_backends(Registry.installed()).items():
        for device in devices:
            for dtype in (torch.float64, torch.float32):
                context = BackendContext(torch.device(device), dtype)
                if name == EAGER and (device == "cpu" or dtype == torch.float32):
                    continue  # Other tests compare `forward` with `step` in float64 on the CPU.
                cell = make_cell(3, 4).to(context.device, parameter_dtype(dtype))
                if backend.refusal(cell, context) is None and (
                    slow_backends or backend.preparation_seconds(cell, context) <= _SLOW
                ):
                    _require_equal_backend(make_cell, name, backend, context)
                    break  # In a second type, the backend would compile the cell again.


def _require_equal_backend(make_cell: CellFactory, name: str, backend: Backend, context: BackendContext) -> None:
    for sizes in _SIZES:
        device = "" if context.device.type == "cpu" else f" on {context.device.type}"
        place = f"on the backend {name!r}{device}, batch {sizes.rows}, length {sizes.steps}"
        try:
            require_scan(backend_case(backend, build_case(make_cell, sizes), context))
        except Exception as error:
            failure = error if isinstance(error, ConformanceError) else describe_error(make_cell, error)
            raise ConformanceError(f"{failure} ({place})") from error

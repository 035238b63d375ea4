"""A cell on a backend and the scan of its step in float64, and the comparison of their results."""

import copy
from collections.abc import Callable
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
    Read,
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


Results = Callable[[Read, Cell[Any]], Parts]
"""Function that computes results by name, with a cell and a function that reads a sequence with it."""


@dataclass(frozen=True, slots=True)
class BackendCase:
    """A cell that runs on a backend, and a sequence.

    Attributes:
        backend: The backend.
        cell: Cell on the backend, in float64 if the products are in float64, otherwise in float32.
        inputs: Vectors `[time, batch, input]`.
        state: State before the first step.
        dtype: Type of the products.
    """

    backend: Backend
    cell: Cell[Any]
    inputs: Tensor
    state: State
    dtype: torch.dtype

    def read(self, cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
        """Return the outputs and the last state of a cell, with products in `dtype`."""
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            return cell(inputs, state)

    def scan(self, cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
        """Return the outputs and the last state of a cell in float64 by a scan of `step`."""
        inputs = inputs.double() if inputs.is_floating_point() else functional.one_hot(inputs, cell.input_size).double()
        wide = map_state(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor, state)
        return scan(cell.step, cell.project(inputs), wide)

    def results(self, inputs: Tensor) -> Results:
        """Return a function that computes the outputs, the last state and all gradients for inputs."""

        def compute(read: Read, cell: Cell[Any]) -> Parts:
            results: list[CellResult] = []

            def keep(cell: Cell[Any], inputs: Tensor, state: State) -> CellResult:
                results.append(read(cell, inputs, state))
                return results[0]

            gradients = gradients_of(CellCase(cell, inputs, self.state), keep)
            return {**results_of(results[0]), **gradients}

        return compute

    def outputs(self, read: Read, cell: Cell[Any]) -> Parts:
        """Compute the outputs and the last state."""
        return results_of(read(cell, self.inputs, self.state))

    def require_near(self, problem: str, compute: Results, actual: Parts | None = None) -> Parts:
        """Check that results of the backend are near those of the scan of `step` in float64, and return them.

        The distance is relative to the norm. It may be larger if the backend `eager` is as far from the scan in the
        type of the products: then the cell is ill-conditioned.

        Args:
            problem: What a difference means; `{part}` stands for the name of the result that differs.
            compute: Function that computes the results.
            actual: Results of the backend, if `compute` does not compute them.

        Raises:
            ConformanceError: If a result has another shape or differs too much.
        """
        plain = _without_backend(self.cell)
        expected = compute(self.scan, copy.deepcopy(plain).double())
        actual = compute(self.read, self.cell) if actual is None else actual
        for part, wanted in expected.items():
            if actual[part].shape != wanted.shape:
                shape, got = list(wanted.shape), list(actual[part].shape)
                fail(self.backend, f"{part} has another shape", expected=shape, got=got)
            distance = _distance(actual[part], wanted)
            # A sum over steps and rows may be small, but has the rounding errors of its terms.
            size = max(0.5, 0.1 * (self.inputs.shape[0] * self.inputs.shape[1]) ** 0.5) * wanted.numel() ** 0.5
            allowed = TOLERANCES[self.dtype] * (_norm(wanted) + size)
            if not distance <= allowed and self.dtype != torch.float64:
                allowed += 4 * _distance(compute(self.read, plain)[part], wanted)
            if not distance <= allowed:
                dtype = str(self.dtype).removeprefix("torch.")
                fail(
                    f"{type(self.backend).__name__} on {type(self.cell).__name__} in {dtype}",
                    problem.format(part=part),
                    expected=f"a distance of at most {allowed:.2g}",
                    got=f"{distance:.2g}",
                )
        return actual


def backend_case(backend: Backend, case: CellCase, context: BackendContext) -> BackendCase:
    """Install a backend in the cell of a case."""
    own = parameter_dtype(context.dtype)

    def convert(tensor: Tensor) -> Tensor:
        return tensor.to(context.device, own) if tensor.is_floating_point() else tensor.to(context.device)

    cell = case.cell.to(context.device, own)
    install_backend(backend, cell, context)
    return BackendCase(backend, cell, convert(case.inputs), map_state(convert, case.state), context.dtype)


def parameter_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the type of parameters and states for a type of products."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def require_scan(case: BackendCase) -> None:
    """Check that outputs, last state and all gradients agree with the scan, and that no type changes.

    Raises:
        ConformanceError: If they do not.
    """
    actual = case.require_near("{part} differs from the scan of `step`", case.results(case.inputs))
    own = parameter_dtype(case.dtype)
    output = actual["the output"].dtype
    if output not in (case.dtype, own):
        fail(case.backend, "the output has another type", expected=own, got=output)
    for name, tensor in actual.items():
        if name.startswith("`state.") and tensor.is_floating_point() and tensor.dtype != own:
            fail(case.backend, f"the type of {name} changes", expected=own, got=tensor.dtype)


def _without_backend(cell: Cell[Any]) -> Cell[Any]:
    plain = copy.deepcopy(cell)
    plain.sequence_function = None
    return plain


def _norm(tensor: Tensor) -> float:
    return cast("Tensor", torch.linalg.vector_norm(tensor.detach().double())).item()


def _distance(one: Tensor, other: Tensor) -> float:
    return torch.dist(one.detach().double(), other.detach().double()).item()


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
        place = f"on the backend {name!r}{device}, with {sizes}"
        try:
            require_scan(backend_case(backend, build_case(make_cell, sizes), context))
        except Exception as error:  # noqa: BLE001 - the message describes it
            failure = error if isinstance(error, ConformanceError) else describe_error(make_cell, error)
            raise ConformanceError(f"{failure} ({place})") from None

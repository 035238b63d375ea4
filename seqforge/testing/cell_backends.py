"""A cell on every installed backend and device."""

import torch

from seqforge.kinds import Backend, BackendContext
from seqforge.model import EAGER, load_backends
from seqforge.registry import Registry
from seqforge.testing.backend_case import backend_case, parameter_dtype, require_scan
from seqforge.testing.conformance import ConformanceError, calling
from seqforge.testing.strategies import CaseSizes, CellFactory, build_case

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

_SIZES = (CaseSizes(4, 3, 5, 6), CaseSizes(33, 17, 5, 6))
_SLOW = 10.0


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
                if _runs(make_cell, backend, context, slow_backends):
                    _compare(make_cell, name, backend, context)
                    break  # In a second type, the backend would compile the cell again.


def _runs(make_cell: CellFactory, backend: Backend, context: BackendContext, slow_backends: bool) -> bool:
    cell = make_cell(3, 4).to(context.device, parameter_dtype(context.dtype))
    if backend.refusal(cell, context) is not None:
        return False
    return slow_backends or backend.preparation_seconds(cell, context) <= _SLOW


def _compare(make_cell: CellFactory, name: str, backend: Backend, context: BackendContext) -> None:
    for sizes in _SIZES:
        device = "" if context.device.type == "cpu" else f" on {context.device.type}"
        place = f"on the backend {name!r}{device}, batch {sizes.rows}, length {sizes.steps}"
        try:
            with calling(make_cell, "a call"):
                require_scan(backend_case(backend, build_case(make_cell, sizes), context))
        except ConformanceError as error:
            raise ConformanceError(f"{error} ({place})") from error.__cause__

"""The choice of a backend for every cell of a model: pinned, recorded, or the fastest by measurement."""

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor

from seqforge.errors import ExperimentError, PluginError, RunError, SeqforgeError
from seqforge.experiment import AUTO_BACKEND
from seqforge.faults import blame_plugin
from seqforge.interfaces import Backend, BackendContext, Cell, Refusal, SequenceReader
from seqforge.model.input import SymbolInput
from seqforge.model.measure_backends import Measurement, Probe, Workload, measure_backends
from seqforge.model.precision import matmul_dtype
from seqforge.model.sequence_model import SequenceModel
from seqforge.registry import Registry

EAGER = "eager"


class EagerBackend(Backend):
    """Plain torch: the cell's own `forward`, for any cell on any device."""

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        """Return None: every cell is supported."""
        return None

    def sequence_reader(self, cell: Cell[Any], context: BackendContext) -> SequenceReader:
        """Return the cell's own `forward`."""
        return type(cell).forward.__get__(cell)


class BrokenBackend(Backend):
    """The place of a backend that cannot be loaded. It runs no cell, and other backends are used.

    Args:
        fault: Why it cannot be loaded.
    """

    def __init__(self, fault: str) -> None:
        self._fault = fault

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str:
        """Return why the backend cannot be loaded."""
        return self._fault

    def refusal(self, cell: Cell[Any], context: BackendContext) -> Refusal:
        """Return why the backend cannot be loaded, as a fault of its plugin."""
        return Refusal(self._fault, about="plugin")

    def sequence_reader(self, cell: Cell[Any], context: BackendContext) -> SequenceReader:
        """Raise `PluginError`: there is no reader."""
        raise PluginError(self._fault)


@dataclass(frozen=True, slots=True)
class CellBackend:
    """The backend of one cell.

    Attributes:
        module: Name of the cell's module in the model, such as `stack.cells.0`.
        cell: Name of the cell's class.
        backend: Name of the backend.
        seconds: Measured time of a forward and a backward pass, by backend; empty if the backend is pinned or recorded.
        refused: Why the other backends do not run the cell, by backend; empty if the backend is pinned or recorded.
    """

    module: str
    cell: str
    backend: str
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    refused: Mapping[str, Refusal] = field(default_factory=dict[str, Refusal])


def choose_backends(
    model: SequenceModel,
    registry: Registry,
    workload: Workload,
    *,
    backend: str = AUTO_BACKEND,
    pins: Sequence[Sequence[str]] = (),
    recorded: Mapping[str, str] | None = None,
) -> list[CellBackend]:
    """Choose a backend for every cell of a model, and install it in the cell.

    Args:
        model: Model on the device where it is trained.
        registry: Installed backends.
        workload: Shape of a batch and length of the run.
        backend: `auto`, or the backend of every cell that has no pin of its own.
        pins: For each layer, the backends to which its cell is pinned, in order of preference; empty for none.
        recorded: Backend of each cell, by its module's name, from an earlier part of the run. The run uses them again,
            so that it stays bit-identical.

    Returns:
        The choice for each cell.

    Raises:
        ExperimentError: If a pinned backend cannot run a cell.
        RunError: If a recorded backend is not available.
    """
    context, cells = _context(model), leaf_cells(model)
    choices: list[CellBackend] = []
    for module, cell, layer in cells:
        vars(cell).pop("forward", None)
        own = tuple(pins[layer]) if layer < len(pins) else ()
        wanted = own or (() if backend == AUTO_BACKEND else (backend,))
        if recorded is not None:
            choice = _recorded(recorded, module, cell, registry, context)
        elif wanted:
            choice = _pinned(wanted, module, cell, registry, context)
        else:
            symbols = _reads_symbols(model, module, layer)
            probe = Probe(cell, symbols, len(cells), workload, model.precision, context)
            measured = measure_backends(probe, load_backends(registry), registry)
            # If every backend failed, so did the cell: in plain torch, its own error reaches the user.
            fastest = min(measured.seconds, key=measured.seconds.__getitem__, default=EAGER)
            choice = CellBackend(module, type(cell).__name__, fastest, measured.seconds, measured.refused)
        install_backend(load_backend(registry, choice.backend), cell, context)
        choices.append(choice)
    return choices


def measure_cells(model: SequenceModel, registry: Registry, workload: Workload) -> list[tuple[str, str, Measurement]]:
    """Measure every backend on every cell of a model, without the cache and without a limit on compilation.

    Returns:
        For each cell, the name of its module, the name of its class, and the times.
    """
    context, cells, backends = _context(model), leaf_cells(model), load_backends(registry)
    unlimited = replace(workload, optimizer_steps=math.inf, seconds=math.inf)
    found: list[tuple[str, str, Measurement]] = []
    for module, cell, layer in cells:
        probe = Probe(cell, _reads_symbols(model, module, layer), len(cells), unlimited, model.precision, context)
        measured = measure_backends(probe, backends, registry, cached=False)
        found.append((module, type(cell).__name__, measured))
    return found


def use_recorded_backends(model: SequenceModel, registry: Registry, recorded: Mapping[str, str]) -> None:
    """Run the cells of a trained model on the backends that trained them, by the names of their modules.

    A cell runs in plain torch if its backend does not support this device, or would have to compile.
    """
    context, known = _context(model), registry.names("backend")
    for module, cell, _ in leaf_cells(model):
        name = recorded.get(module, EAGER)
        if name in known:
            backend = load_backend(registry, name)
            if backend.refusal(cell, context) is None and not backend.preparation_seconds(cell, context):
                install_backend(backend, cell, context)


def install_backend(backend: Backend, cell: Cell[Any], context: BackendContext) -> None:
    """Run a cell on a backend from now on, and so its deep copies, each with its own parameters.

    Args:
        backend: Backend that supports the cell.
        cell: Cell on the context's device.
        context: Device and precision.
    """
    vars(cell).pop("forward", None)
    if not isinstance(backend, EagerBackend):
        # The instance's own `forward` takes precedence over that of its class.
        vars(cell)["forward"] = _InstalledReader(backend, cell, context, backend.sequence_reader(cell, context))


class _InstalledReader:
    """A sequence reader whose deep copy belongs to the copy of the cell."""

    def __init__(
        self, backend: Backend, cell: Cell[Any], context: BackendContext, read: SequenceReader | None = None
    ) -> None:
        self._backend, self._cell, self._context, self._read = backend, cell, context, read

    def __call__(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        if self._read is None:
            self._read = self._backend.sequence_reader(self._cell, self._context)
        return self._read(inputs, state)

    def __deepcopy__(self, memo: dict[int, Any]) -> "_InstalledReader":
        # The copied cell has no parameters yet: its reader is made at the first call.
        return _InstalledReader(self._backend, copy.deepcopy(self._cell, memo), self._context)


def load_backends(registry: Registry) -> dict[str, Backend]:
    """Return all installed backends by their shortest names."""
    return {name: load_backend(registry, name) for name in registry.names("backend")}


def load_backend(registry: Registry, name: str) -> Backend:
    """Return an installed backend by its short or qualified name; a `BrokenBackend` if it cannot be loaded.

    Raises:
        PluginError: If there is no backend of that name, or more than one.
    """
    found = registry.find("backend", name)
    try:
        component = registry.load(found)
        with blame_plugin("backend", found.qualified_name, component, "its __init__ failed"):
            return component()
    except SeqforgeError as error:
        return BrokenBackend(f"{error.message}; reinstall or update the plugin {found.plugin!r}")


def leaf_cells(model: SequenceModel) -> list[tuple[str, Cell[Any], int]]:
    """Return the cells that contain no other cell, each with its module's name and the index of its layer."""
    modules = cast("Iterable[tuple[str, Any]]", model.named_modules())
    cells: dict[str, Cell[Any]] = {name: module for name, module in modules if isinstance(module, Cell)}
    leaves: list[str] = [name for name in cells if not any(other.startswith(f"{name}.") for other in cells)]
    return [(name, cells[name], int(name.partition("cells.")[2].partition(".")[0])) for name in leaves]


def _reads_symbols(model: SequenceModel, module: str, layer: int) -> bool:
    return module.startswith("stack.") and layer == 0 and isinstance(model.input, SymbolInput)


def _context(model: SequenceModel) -> BackendContext:
    parameter = next(model.parameters())
    dtype = matmul_dtype(model.precision, parameter.device)
    return BackendContext(parameter.device, parameter.dtype if parameter.dtype == torch.float64 else dtype)


def _pinned(
    names: Sequence[str], module: str, cell: Cell[Any], registry: Registry, context: BackendContext
) -> CellBackend:
    reasons: list[str] = []
    for written in names:
        name = registry.names_of(registry.find("backend", written))[0]
        refusal = load_backend(registry, name).refusal(cell, context)
        if refusal is None:
            return CellBackend(module, type(cell).__name__, name)
        reasons.append(f"the backend {name} cannot run {module} ({type(cell).__name__}): {refusal.reason}")
    hint = 'Use --set training.backend=auto to run it on another, and remove "backend" from the entry of the cell.'
    raise ExperimentError("; ".join(reasons), hint=hint)


def _recorded(
    recorded: Mapping[str, str], module: str, cell: Cell[Any], registry: Registry, context: BackendContext
) -> CellBackend:
    name = recorded.get(module, EAGER)
    try:
        refusal = load_backend(registry, name).refusal(cell, context)
    except PluginError as error:
        refusal = Refusal(error.message, about="plugin")
    if refusal is not None:
        raise RunError(
            f"{module} was trained on the backend {name!r}, which is not available: {refusal.reason}",
            hint="To continue on another backend, use --set training.backend=auto. The results may then differ.",
        )
    return CellBackend(module, type(cell).__name__, name)

"""The choice of a backend for every cell, and of a precision: named, recorded, or the fastest by measurement."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch

from seqforge.errors import ExperimentError, PluginError, RunError
from seqforge.experiment.settings import AUTO_BACKEND
from seqforge.kinds import BackendContext, Cell, Refusal
from seqforge.model.input import SymbolInput
from seqforge.model.install_backend import install_backend, load_backend, load_backends
from seqforge.model.measure_backends import EAGER, BatchShape, CellTimes, CellTiming, measure_backends
from seqforge.model.precision import Precision, matmul_dtype, precisions_to_measure
from seqforge.model.sequence_model import SequenceModel
from seqforge.registry.registry import Registry
from seqforge.storage.records import Record


@dataclass(frozen=True, slots=True)
class CellBackend:
    """The backend of one cell.

    Attributes:
        module: Name of the cell's module in the model, such as `stack.cells.0`.
        cell: Name of the cell's class.
        backend: Name of the backend.
        seconds: Measured time of a forward and a backward pass, by backend; empty if the backend is recorded, or if the
            precision is given and the backend is named or the only one.
        refused: Why the other backends do not run the cell, by backend; empty if the backend is named or recorded.
        seconds_by_precision: Time of the fastest backend in each precision; empty if the precision was not measured.
    """

    module: str
    cell: str
    backend: str
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    refused: Mapping[str, Refusal] = field(default_factory=dict[str, Refusal])
    seconds_by_precision: Mapping[Precision, float] = field(default_factory=dict[Precision, float])


class RecordedBackends(Record):
    """The backends and the precision of an earlier part of a run, which uses them again to stay bit-identical.

    Attributes:
        cells: Backend of each cell, by its module's name.
        precision: Precision of the products.
    """

    VERSION = 2

    cells: dict[str, str]
    precision: Precision


def choose_backends(
    model: SequenceModel,
    registry: Registry,
    batch_shape: BatchShape,
    *,
    backend: str = AUTO_BACKEND,
    recorded: RecordedBackends | None = None,
) -> list[CellBackend]:
    """Choose a backend for every cell of a model, and install it in the cell.

    If the precision of the model is `auto`, and its device has instructions for bfloat16, the model also receives the
    precision in which its cells are faster.

    Args:
        model: Model on the device where it is trained.
        registry: Installed backends.
        batch_shape: Shape of a batch and length of the run.
        backend: `auto`, or the backend of every cell.
        recorded: Choices of an earlier part of the run, which replace these; None for a new run.

    Returns:
        The choice for each cell.

    Raises:
        ExperimentError: If the named backend cannot run a cell.
        RunError: If a recorded backend is not available.
    """
    cells = leaf_cells(model)
    for _, cell, _ in cells:
        cell.sequence_function = None
    if recorded is not None:
        if model.precision == "auto":
            model.precision = recorded.precision
        choices = [_recorded(recorded.cells, module, cell, registry, _context(model)) for module, cell, _ in cells]
    else:
        choices = _fastest(model, registry, batch_shape, backend)
    for (_, cell, _), choice in zip(cells, choices, strict=True):
        install_backend(load_backend(registry, choice.backend), cell, _context(model))
    # The last cell is the highest one, below the output layer.
    model.output_layer = load_backend(registry, choices[-1].backend).output_layer(_context(model))
    return choices


def _fastest(model: SequenceModel, registry: Registry, batch_shape: BatchShape, backend: str) -> list[CellBackend]:
    """Return the named or fastest backend of each cell, and set the precision of the model to the fastest."""
    precisions = precisions_to_measure(model.precision, next(model.parameters()).device)
    found: dict[Precision, list[CellBackend]] = {}
    errors: list[ExperimentError] = []
    for precision in precisions:
        first, choices = next(iter(found.values()), None), list[CellBackend]()
        try:
            for index, timing in enumerate(_timings(model, batch_shape, precision)):
                limit = _time_of(first[index]) if first else math.inf
                choices.append(_choose(timing, backend, registry, len(precisions) > 1, limit))
            found[precision] = choices
        except ExperimentError as error:  # the named backend cannot run a cell in this precision
            errors.append(error)
    if not found:
        raise errors[0]
    model.precision = min(found, key=lambda precision: sum(map(_time_of, found[precision])))
    if len(precisions) == 1:
        return found[model.precision]
    return [
        replace(choice, seconds_by_precision={name: _time_of(found[name][index]) for name in found})
        for index, choice in enumerate(found[model.precision])
    ]


def _timings(model: SequenceModel, batch_shape: BatchShape, precision: Precision) -> list[CellTiming]:
    """Return what is measured of each cell of a model."""
    cells, are_read = leaf_cells(model), isinstance(model.input, SymbolInput)
    shared = len(cells), batch_shape, precision, _context(model, precision)
    return [
        CellTiming(cell, are_read and layer == 0 and module.startswith("stack."), *shared, module)
        for module, cell, layer in cells
    ]


def _choose(timing: CellTiming, name: str, registry: Registry, compares_precisions: bool, limit: float) -> CellBackend:
    """Return the named or fastest backend of a cell in a precision. A named one is timed to compare precisions."""
    named = _named(name, timing, registry) if name != AUTO_BACKEND else None
    if named is None:
        backends, fallback = load_backends(registry), EAGER
    elif not compares_precisions:
        return named
    else:
        backends, fallback = {named.backend: load_backend(registry, named.backend)}, named.backend
    measured = measure_backends(timing, backends, registry, compares_precisions=compares_precisions, limit=limit)
    # Without any time, `eager` is the only backend, or every backend failed, and so did the cell: in plain torch, its
    # own error reaches the user.
    fastest = min(measured.seconds, key=measured.seconds.__getitem__, default=fallback)
    return CellBackend(timing.module, type(timing.cell).__name__, fastest, measured.seconds, measured.refused)


def _time_of(choice: CellBackend) -> float:
    return choice.seconds.get(choice.backend, math.inf)


def measure_cells(
    model: SequenceModel, registry: Registry, batch_shape: BatchShape
) -> list[tuple[str, str, CellTimes]]:
    """Measure every backend on every cell of a model, without the cache and without a limit on compilation.

    Returns:
        For each cell, and for each precision if it is `auto`, the name of the cell's module, the name of its class with
        the precision if there are two, and the times.
    """
    backends, unlimited = load_backends(registry), replace(batch_shape, optimizer_steps=math.inf, seconds=math.inf)
    precisions = precisions_to_measure(model.precision, next(model.parameters()).device)
    found: list[tuple[str, str, CellTimes]] = []
    for of_cell in zip(*(_timings(model, unlimited, precision) for precision in precisions), strict=True):
        for timing in of_cell:
            name = type(timing.cell).__name__ + (f" in {timing.precision}" if len(precisions) > 1 else "")
            found.append((timing.module, name, measure_backends(timing, backends, registry, cached=False)))
    return found


def use_recorded_backends(model: SequenceModel, registry: Registry, recorded: Mapping[str, str]) -> None:
    """Run the cells of a trained model on the backends that trained them, by the names of their modules.

    A cell runs in plain torch if its backend does not support this device, or would have to compile.
    """
    context, known = _context(model), registry.names("backend")
    model.output_layer = None
    for module, cell, _ in leaf_cells(model):
        name = recorded.get(module, EAGER)
        if name in known:
            backend = load_backend(registry, name)
            if backend.refusal(cell, context) is None and not backend.preparation_seconds(cell, context):
                install_backend(backend, cell, context)
                model.output_layer = backend.output_layer(context)


def leaf_cells(model: SequenceModel) -> list[tuple[str, Cell[Any], int]]:
    """Return the cells that run on a backend, each with its module's name and the index of its layer.

    These contain no other cell, or call the step of the cell inside of them.
    """
    modules = cast("Iterable[tuple[str, Any]]", model.named_modules())
    cells: dict[str, Cell[Any]] = {name: module for name, module in modules if isinstance(module, Cell)}
    whole = tuple(f"{name}." for name, cell in cells.items() if cell.steps_inner_cell)
    cells = {name: cell for name, cell in cells.items() if not name.startswith(whole)}
    leaves: list[str] = [name for name in cells if not any(other.startswith(f"{name}.") for other in cells)]
    return [(name, cells[name], int(name.partition("cells.")[2].partition(".")[0])) for name in leaves]


def _context(model: SequenceModel, precision: Precision | None = None) -> BackendContext:
    parameter = next(model.parameters())
    dtype = matmul_dtype(precision or model.precision, parameter.device)
    return BackendContext(parameter.device, parameter.dtype if parameter.dtype == torch.float64 else dtype)


def _named(written: str, timing: CellTiming, registry: Registry) -> CellBackend:
    kind, name = type(timing.cell).__name__, registry.names_of(registry.find("backend", written))[0]
    refusal = load_backend(registry, name).refusal(timing.cell, timing.context)
    if refusal is not None:
        raise ExperimentError(
            f"the backend {name} cannot run {timing.module} ({kind}): {refusal.reason}",
            hint="To run it on another: --set training.backend=auto",
        )
    return CellBackend(timing.module, kind, name)


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
            hint="To continue on another backend, whose results may differ: --set training.backend=auto",
        )
    return CellBackend(module, type(cell).__name__, name)

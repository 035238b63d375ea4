"""One trial of a cell, an attention, and a backend."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from seqforge.api.plugin_check.cell_tensors import TensorFault, find_other_device, find_other_type, find_unregistered
from seqforge.errors import DataError, PluginError
from seqforge.faults import describe_error, plugin_fault
from seqforge.figures import format_milliseconds
from seqforge.kinds import Backend, BackendContext, Cell, scan
from seqforge.model import load_backends
from seqforge.model.measure_backends import PREPARATION_SHARE, BatchShape, CellTiming, measure_backends
from seqforge.model.validate_cell import validate_cell
from seqforge.registry import Component, Registry, options_of, resolve

STEPS, ROWS, FEATURES = 32, 16, 64

COMPILATION_SECONDS = 30.0
"""Longest compilation for which a backend is timed."""

_CPU = BackendContext(torch.device("cpu"), torch.float32)


def try_cell(component: Component, registry: Registry) -> str:
    """Compute a sequence and its gradients, and time the cell on every backend.

    Raises:
        PluginError: If the state, an output or a gradient is wrong, or a backend fails.
    """
    cell: Cell[Any] = component.build(input_size=FEATURES)
    validate_cell(cell, component)
    for fault in _tensor_faults(cell):
        if fault is not None:
            raise plugin_fault("cell", component.name, str(fault))
    inputs = torch.randn(STEPS, 2, FEATURES, generator=torch.Generator().manual_seed(0))
    outputs, _ = cell(inputs, cell.initial_state(2))
    if not outputs.isfinite().all():
        raise plugin_fault("cell", component.name, f"its outputs on {STEPS} random steps are not finite")
    expected, _ = scan(cell.step, cell.project(inputs), cell.initial_state(2))
    if not torch.allclose(outputs, expected, atol=1e-3):
        raise plugin_fault("cell", component.name, "the outputs of forward differ from those of the scan of step")
    if cell.reads_symbols:
        _try_symbols(cell, component)
    expected.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in cell.named_parameters()}
    unused = [name for name, gradient in gradients.items() if gradient is None]
    if unused:
        reason = f"its parameters {', '.join(unused)} have no gradient: nothing uses them"
        raise plugin_fault("cell", component.name, reason)
    for name, gradient in gradients.items():
        if gradient is not None and not gradient.isfinite().all():
            raise plugin_fault("cell", component.name, f"the gradient of its parameter {name!r} is not finite")
    cell.zero_grad(set_to_none=True)
    backends = load_backends(registry)
    batch_shape = BatchShape(STEPS, ROWS, seconds=COMPILATION_SECONDS / PREPARATION_SHARE)
    measured = measure_backends(
        CellTiming(cell, False, 1, batch_shape, "float32", _CPU), backends, registry, cached=False
    )
    for name, refusal in measured.refused.items():
        if refusal.about != "run" and backends[name].refusal(cell, _CPU) is None:
            raise plugin_fault("cell", component.name, f"on the backend {name}, {refusal.reason}")
    times = sorted(measured.seconds.items(), key=lambda item: item[1])
    shown = ", ".join(f"{name} {format_milliseconds(seconds)}" for name, seconds in times)
    lines = [f"{STEPS} steps × {ROWS} rows: {shown}"]
    for name, refusal in measured.refused.items():
        if refusal.about in ("cell", "run"):
            lines.append(f"{name}: {refusal.reason}")
    return "\n".join(lines)


def _tensor_faults(cell: Cell[Any]) -> Iterator[TensorFault | None]:
    yield find_unregistered(cell)
    yield find_other_type(copy.deepcopy(cell).double())
    yield find_other_device(copy.deepcopy(cell).double(), "meta")


def _try_symbols(cell: Cell[Any], component: Component) -> None:
    symbols = torch.arange(FEATURES).reshape(FEATURES // 2, 2)
    vectors = functional.one_hot(symbols, FEATURES).float()
    try:
        outputs, _ = cell(symbols, cell.initial_state(2))
    except Exception as error:
        fault = describe_error(error, type(cell))
        reason = f"it cannot read symbols, integers [time, batch], as the first layer does: {fault}"
        raise plugin_fault("cell", component.name, reason) from error
    if not torch.allclose(outputs, cell(vectors, cell.initial_state(2))[0], atol=1e-3):
        reason = "its outputs for symbols differ from those for the unit vectors for which they stand"
        raise plugin_fault("cell", component.name, reason)


def try_backend(component: Component, registry: Registry) -> str:
    """Run the cells of all plugins that the backend supports, and compare each with the scan of its step.

    Raises:
        PluginError: If the outputs differ, or the backend fails.
        DataError: If it supports no installed cell on a CPU.
    """
    backend: Backend = component.build()
    if backend.device_types and "cpu" not in backend.device_types:
        raise DataError(f"imported and built; it runs on {' or '.join(backend.device_types)} only")
    run: list[str] = []
    refused = 0
    for name, cell in _small_cells(registry):
        if backend.refusal(cell, _CPU) is not None:
            refused += 1
            continue
        if backend.preparation_seconds(cell, _CPU) > COMPILATION_SECONDS:
            continue
        inputs, state = torch.randn(4, 3, cell.input_size), cell.initial_state(3)
        expected, _ = scan(cell.step, cell.project(inputs), state)
        outputs: Tensor = backend.sequence_reader(cell, _CPU)(inputs, state)[0]
        if outputs.shape != expected.shape or not torch.allclose(outputs, expected, atol=1e-3):
            raise plugin_fault(
                "backend", component.name, f"the outputs of {name} differ from those of the scan of its step"
            )
        run.append(name)
    if not run:
        raise DataError(f"imported and built; it supports none of {refused} installed cells on this CPU in float32")
    return f"runs {', '.join(run)}, as the scan of step does"


def _small_cells(registry: Registry) -> Iterator[tuple[str, Cell[Any]]]:
    """Yield every cell that can be built with its defaults, with few units if it has the option `hidden_size`."""
    for registration in registry.registrations("cell"):
        if registration.backends:
            continue
        try:
            options = options_of(registry.load(registration), "cell", registration.qualified_name)
            size = {"hidden_size": 8} if "hidden_size" in options.model.model_fields else {}
            resolved = resolve(registry, "cell", {"use": registration.qualified_name, **size}, "", Path.cwd())
            if isinstance(resolved, Component):
                yield registry.names_of(registration)[0], resolved.build(input_size=5)
        except PluginError:
            continue  # The cell has its own report.

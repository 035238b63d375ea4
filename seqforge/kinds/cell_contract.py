"""The contract of a cell: its step before training, its sequences, and the trial that the check of plugins does."""

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from seqforge.errors import describe_type
from seqforge.faults import blame_plugin, component_fault, describe_error, owner_of
from seqforge.kinds.cell import Cell, map_state, scan
from seqforge.kinds.cell_tensors import find_other_device, find_other_type, find_unregistered
from seqforge.kinds.elementwise_cell import ElementwiseCell
from seqforge.kinds.factored_cell import FactoredCell

STEPS, FEATURES = 32, 64
"""Steps and input features with which a cell is tried."""

_ROWS = 2


def validate_cell(cell: Cell[Any]) -> None:
    """Compute one step of a new cell on the CPU, and check its state and output.

    Without this check, a faulty cell may train without an error, and then fail when a run is resumed or sampled.

    Raises:
        PluginError: If the state or the output does not satisfy the interface `Cell`.
    """
    with blame_plugin(*owner_of(cell), type(cell), "it cannot read a step"), torch.no_grad():
        fault = step_fault(cell)
    if fault is not None:
        raise component_fault(cell, fault)


def step_fault(cell: Cell[Any]) -> str | None:
    """Compute one step of a cell on the CPU, and return what is wrong with its state or output, or None."""
    before = cell.initial_state(_ROWS)
    if fault := _state_fault(before):
        return fault
    # Not zeros, because a state that is modified in place could keep its value.
    inputs = torch.ones(1, _ROWS, cell.input_size)
    if fault := _result_fault(cell, cell.step(cell.project(inputs)[0], map_state(torch.clone, before)), before):
        return fault
    given = map_state(torch.clone, before)  # Parts of the initial state may share their memory.
    outputs, after = cell(inputs, given)
    return _output_fault(cell, outputs, before, after) or _modification(given, before)


def sequence_fault(cell: Cell[Any]) -> str | None:
    """Compute a sequence with a cell and its gradients, and return what is wrong with them, or None."""
    inputs = torch.randn(STEPS, 2, cell.input_size, generator=torch.Generator().manual_seed(0))
    outputs, _ = cell(inputs, cell.initial_state(2))
    if not outputs.isfinite().all():
        return f"its outputs on {STEPS} random steps are not finite"
    expected, _ = scan(cell.step, cell.project(inputs), cell.initial_state(2))
    if not torch.allclose(outputs, expected, atol=1e-3):
        return "the outputs of forward differ from those of the scan of step"
    if cell.reads_symbols and (fault := _symbol_fault(cell)):
        return fault
    expected.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in cell.named_parameters()}
    cell.zero_grad(set_to_none=True)
    unused = [name for name, gradient in gradients.items() if gradient is None]
    if unused:
        return f"its parameters {', '.join(unused)} have no gradient: nothing uses them"
    for name, gradient in gradients.items():
        if gradient is not None and not gradient.isfinite().all():
            return f"the gradient of its parameter {name!r} is not finite"
    return None


def trial(build: Callable[..., Cell[Any]]) -> Cell[Any]:
    """Compute a sequence and its gradients, and return the cell.

    Raises:
        PluginError: If a tensor of the cell, its state, an output or a gradient is wrong.
    """
    cell = build(input_size=FEATURES)
    validate_cell(cell)
    fault = (
        find_unregistered(cell)
        or find_other_type(copy.deepcopy(cell).double())
        or find_other_device(copy.deepcopy(cell).double(), "meta")
        or sequence_fault(cell)
    )
    if fault is not None:
        raise component_fault(cell, str(fault))
    return cell


def _symbol_fault(cell: Cell[Any]) -> str | None:
    """Return what is wrong with the outputs of a cell for symbols, or None."""
    symbols = torch.arange(cell.input_size).reshape(-1, 2)
    vectors = functional.one_hot(symbols, cell.input_size).float()
    try:
        outputs, _ = cell(symbols, cell.initial_state(2))
    except Exception as error:  # noqa: BLE001 - the cell may raise anything
        fault = describe_error(error, type(cell))
        return f"it cannot read symbols, integers [time, batch], as the first layer does: {fault}"
    if not torch.allclose(outputs, cell(vectors, cell.initial_state(2))[0], atol=1e-3):
        return "its outputs for symbols differ from those for the unit vectors for which they stand"
    return None


def _state_fault(state: Any) -> str | None:
    if not hasattr(state, "_asdict"):
        return f"its initial state is {describe_type(state)}, not a NamedTuple of tensors"
    for name, part in _parts(state).items():
        if not isinstance(part, Tensor) or part.shape[:1] != (_ROWS,):
            shown = list(part.shape) if isinstance(part, Tensor) else describe_type(part)
            return f"{name!r} of its state for a batch of {_ROWS} is {shown}, not a tensor [{_ROWS}, …]"
    return None


def _result_fault(cell: Cell[Any], result: Any, state: Any) -> str | None:
    """Compare the types in the result of a step with an output and a state."""
    if type(result) is tuple:
        parts = cast("tuple[Any, ...]", result)
        if len(parts) == 2 and isinstance(parts[0], Tensor) and type(parts[1]) is type(state):
            return None
    elementwise = type(cell).step in (FactoredCell[Any].step, ElementwiseCell[Any].step)
    expected = f"the output and the next state: ([{_ROWS}, {cell.hidden_size}], {_describe(state)})"
    return f"its {'pointwise' if elementwise else 'step'} returns {_describe(result)}, not {expected}"


def _describe(value: Any) -> str:
    """Describe a result of a step by its types and shapes, such as `([2, 8], HiddenState(hidden=[2, 8]))`."""
    if isinstance(value, Tensor):
        return str(list(value.shape))
    if hasattr(value, "_asdict"):
        return (
            f"{type(value).__name__}({', '.join(f'{name}={_describe(part)}' for name, part in _parts(value).items())})"
        )
    if isinstance(value, tuple):
        parts = [_describe(part) for part in cast("tuple[Any, ...]", value)]
        return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
    return describe_type(value)


def _output_fault(cell: Cell[Any], outputs: Any, before: Any, after: Any) -> str | None:
    shape = list(outputs.shape)
    if shape != [1, _ROWS, cell.hidden_size]:
        return f"its output of one step for a batch of {_ROWS} is {shape}, not {[1, _ROWS, cell.hidden_size]}"
    if type(after) is not type(before):
        return f"its state is {describe_type(before)} before a step, and {describe_type(after)} after it"
    for name, part in _parts(before).items():
        changed = getattr(after, name)
        if (changed.shape, changed.dtype) != (part.shape, part.dtype):
            was, is_now = (f"{tensor.dtype} {list(tensor.shape)}" for tensor in (part, changed))
            return f"{name!r} of its state is {was} before a step, and {is_now} after it"
    return None


def _modification(state: Any, copies: Any) -> str | None:
    for name, part in _parts(state).items():
        if not torch.equal(part, getattr(copies, name)):
            return f"it modifies {name!r} of the state that it receives. It must return a new tensor"
    return None


def _parts(state: Any) -> dict[str, Any]:
    return state._asdict()

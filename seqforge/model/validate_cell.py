"""A check of a cell on one step, before training."""

from typing import Any, cast

import torch
from torch import Tensor

from seqforge.errors import describe_type
from seqforge.faults import blame_plugin, plugin_fault
from seqforge.kinds import Cell, ElementwiseCell, FactoredCell, map_state
from seqforge.registry import Component

_ROWS = 2


def validate_cell(cell: Cell[Any], component: Component) -> None:
    """Compute one step of a cell, and check its state and output.

    Without this check, a faulty cell may train without an error, and then fail when a run is resumed or sampled.

    Args:
        cell: New cell on the CPU.
        component: Component of the cell.

    Raises:
        PluginError: If the state or the output does not satisfy the interface `Cell`.
    """
    with blame_plugin("cell", component.name, type(cell), "it cannot read a step"), torch.no_grad():
        before = cell.initial_state(_ROWS)
        reason = _state_fault(before)
        # Not zeros, because a state that is modified in place could keep its value.
        inputs = torch.ones(1, _ROWS, cell.input_size)
        if reason is None:
            reason = _result_fault(cell, cell.step(cell.project(inputs)[0], map_state(torch.clone, before)), before)
        if reason is None:
            given = map_state(torch.clone, before)  # Parts of the initial state may share their memory.
            outputs, after = cell(inputs, given)
            reason = _step_fault(cell, outputs, before, after) or _modification(given, before)
    if reason is not None:
        raise plugin_fault("cell", component.name, reason)


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


def _step_fault(cell: Cell[Any], outputs: Any, before: Any, after: Any) -> str | None:
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

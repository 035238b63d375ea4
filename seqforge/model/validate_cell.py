"""A check of a cell on one step, before training."""

from typing import Any

import torch
from torch import Tensor

from seqforge.faults import blame_plugin, plugin_fault
from seqforge.interfaces import Cell, map_state
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
        if reason is None:
            given = map_state(torch.clone, before)  # Parts of the initial state may share their memory.
            # Not zeros, because a state that is modified in place could keep its value.
            outputs, after = cell(torch.ones(1, _ROWS, cell.input_size), given)
            reason = _step_fault(cell, outputs, before, after) or _modification(given, before)
    if reason is not None:
        raise plugin_fault("cell", component.name, reason)


def _state_fault(state: Any) -> str | None:
    if not hasattr(state, "_asdict"):
        return f"its initial state is a {type(state).__name__}, not a NamedTuple of tensors"
    for name, part in _parts(state).items():
        if not isinstance(part, Tensor) or part.shape[:1] != (_ROWS,):
            shown = list(part.shape) if isinstance(part, Tensor) else type(part).__name__
            return f"{name!r} of its state for a batch of {_ROWS} is {shown}, not a tensor [{_ROWS}, …]"
    return None


def _step_fault(cell: Cell[Any], outputs: Any, before: Any, after: Any) -> str | None:
    shape = list(outputs.shape)
    if shape != [1, _ROWS, cell.hidden_size]:
        return f"its output of one step for a batch of {_ROWS} is {shape}, not {[1, _ROWS, cell.hidden_size]}"
    if type(after) is not type(before):
        return f"its state is a {type(before).__name__} before a step, and a {type(after).__name__} after it"
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

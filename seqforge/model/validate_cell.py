"""What the engine relies on in a cell, tried on one step before anything is trained."""

from typing import Any

import torch
from torch import Tensor

from seqforge.interfaces import Cell
from seqforge.registry import Component, blame_plugin, plugin_fault

_ROWS = 2


def validate_cell(cell: Cell[Any], component: Component) -> None:
    """Let a cell read one step, and refuse one whose state or output is not what its interface says.

    Such a cell may well train; it is only resumed or sampled wrongly, long afterwards.

    Args:
        cell: Was just built, on the CPU.
        component: What it was built from.

    Raises:
        PluginError: Saying what is wrong with it.
    """
    with blame_plugin("cell", component.name, type(cell), "it cannot read a step"), torch.no_grad():
        before = cell.initial_state(_ROWS)
        reason = _state_fault(before)
        if reason is None:
            outputs, after = cell(torch.zeros(1, _ROWS, cell.input_size), before)
            reason = _step_fault(cell, outputs, before, after)
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
        then = getattr(after, name)
        if (then.shape, then.dtype) != (part.shape, part.dtype):
            was, is_now = (f"{tensor.dtype} {list(tensor.shape)}" for tensor in (part, then))
            return f"{name!r} of its state is {was} before a step, and {is_now} after it"
    return None


def _parts(state: Any) -> dict[str, Any]:
    return state._asdict()

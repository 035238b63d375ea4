"""The contract of a cell that the engine checks, too: its state, its step and its sequences."""

from typing import Any, cast

import torch
from torch import Tensor

from seqforge.errors import describe_type
from seqforge.faults import blame_plugin, component_fault, describe_value, owner_of
from seqforge.kinds.cell import Cell, map_state, named_state

REAL_NUMBERS = (
    "expected its real and its imaginary part as two tensors, since casts, learned initial states and compiled "
    "backends know real numbers only"
)


def validate_cell(cell: Cell[Any]) -> None:
    """Compute one step of a new cell on the CPU, and check its state and output.

    Without this check, a faulty cell may train without an error, and then fail when a run is resumed or sampled.

    Raises:
        PluginError: If the state or the output does not satisfy the interface `Cell`.
    """
    with blame_plugin(*owner_of(cell), type(cell), "it cannot read a step"), torch.no_grad():
        fault = initial_state_fault(cell, 2)
        if fault is None:
            start = map_state(torch.clone, cell.initial_state(2))  # Its parts may share their memory.
            fault = sequence_fault(cell, torch.ones(1, 2, cell.input_size), start)
    if fault is not None:
        raise component_fault(cell, fault)


def initial_state_fault(cell: Cell[Any], batch_size: int) -> str | None:
    """Return a sentence about what is wrong with the initial state of a cell, or None."""
    state: Any = cell.initial_state(batch_size)
    if not hasattr(state, "_asdict"):
        return f"the initial state is not a NamedTuple of tensors: got {describe_type(state)}"
    for name, part in named_state(state).items():
        if not isinstance(part, Tensor) or part.shape[:1] != (batch_size,):
            expected = f"expected a tensor [{batch_size}, …], got {describe_value(part)}"
            return f"the batch is not the first axis of {name} in `initial_state({batch_size})`: {expected}"
        if part.is_complex():
            return f"{name} is complex: {REAL_NUMBERS}"
    return None


def sequence_fault(cell: Cell[Any], inputs: Tensor, state: Any) -> str | None:
    """Return a sentence about what is wrong with the results of `step` and `forward`, or None.

    The inputs are vectors `[time, batch, input]`. The numbers of the state before the first step should not be zero,
    which a change in place may keep.
    """
    time, batch, _ = inputs.shape
    start, given = cell.initial_state(batch), map_state(torch.clone, state)
    method = "pointwise" if hasattr(cell, "pointwise") else "step"

    def modified_part() -> str | None:
        pairs = zip(named_state(state).items(), given, strict=True)
        wrong = [name for (name, part), old in pairs if not torch.allclose(part, old, rtol=0, atol=0, equal_nan=True)]
        problem = f"the given state was modified in place: {', '.join(wrong)}: expected a new tensor for the next state"
        return problem if wrong else None

    result: Any = cell.step(cell.project(inputs)[0], state)
    if fault := modified_part():
        return fault
    is_pair = type(result) is tuple and len(cast("tuple[Any, ...]", result)) == 2
    output, after_step = cast("tuple[Any, Any]", result) if is_pair else (None, None)
    if not isinstance(output, Tensor) or type(after_step) is not type(start):
        expected = f"(a tensor [{batch}, {cell.hidden_size}], {describe_value(start)})"
        return f"`{method}` returns {describe_value(result)}: expected the output and the next state, {expected}"
    outputs, after_sequence = cell(inputs, state)
    results = {
        method: (output, [batch, cell.hidden_size], "after a step", after_step),
        "forward": (outputs, [time, batch, cell.hidden_size], "after a sequence", after_sequence),
    }
    if fault := modified_part():
        return fault
    for name, (output, shape, when, after) in results.items():
        if list(output.shape) != shape:
            return f"`{name}` returns an output of another shape: expected {shape}, got {list(output.shape)}"
        if output.dtype != inputs.dtype:
            return f"`{name}` returns an output of another type: expected {inputs.dtype}, got {output.dtype}"
        if fault := state_change(start, after, when):
            return fault
    return None


def state_change(before: Any, after: Any, when: str) -> str | None:
    """Return a sentence about a class, type or shape of a state that has changed "after a sequence", or None."""
    if type(after) is not type(before):
        return f"{when} the class of the state changes: expected {describe_type(before)}, got {describe_type(after)}"
    for (name, old), new in zip(named_state(before).items(), after, strict=True):
        for what, was, now in (("type", old.dtype, new.dtype), ("shape", list(old.shape), list(new.shape))):
            if was != now:
                return f"{when} the {what} of {name} changes: expected {was}, got {now}"
    return None

"""Validation of a sampler's constraint automaton, because compiled code uses it without checks."""

from collections.abc import Iterator
from typing import Any

import torch

from seqforge.faults import wrong_result
from seqforge.interfaces import FORBIDDEN, ConstraintAutomaton, Sampler

_TYPES = {
    "states": torch.int32,
    "next_states": torch.int32,
    "actions": torch.int32,
    "costs": torch.int8,
    "weights": torch.int32,
    "stacks": torch.int32,
    "heights": torch.int32,
}


def first_automaton(sampler: Sampler, memory: Any, batch_size: int, symbols: int) -> ConstraintAutomaton | None:
    """Return the automaton of a sampler, or None if it has none.

    Args:
        sampler: First sampler of a chain.
        memory: Memory of the sampler.
        batch_size: Number of samples.
        symbols: Size of the vocabulary.

    Raises:
        PluginError: If a table has a wrong type or shape, or contains a number that is out of range.
    """
    automaton = sampler.automaton(memory)
    for fault in _faults(automaton, batch_size, symbols) if automaton else ():
        raise wrong_result(sampler.automaton, f"returned an invalid automaton: {fault}")
    return automaton


def next_automaton(sampler: Sampler, memory: Any, stopped: ConstraintAutomaton) -> ConstraintAutomaton:
    """Return the automaton with which a sampler replaces one that stopped.

    Raises:
        PluginError: If there is none, or it is invalid.
    """
    automaton = first_automaton(sampler, memory, len(stopped.states), stopped.costs.shape[1])
    if automaton is None:
        raise wrong_result(sampler.automaton, "returned None after `memory_after_stop`, not a new automaton")
    return automaton


def _faults(automaton: ConstraintAutomaton, batch_size: int, symbols: int) -> Iterator[str]:
    for name, dtype in _TYPES.items():
        table = getattr(automaton, name)
        if table.dtype != dtype or table.device.type != "cpu" or not table.is_contiguous():
            yield f"{name} is not a contiguous tensor of {dtype} on the CPU"
    count = automaton.weights.numel()
    shapes = {
        "weights": (count,),
        "states": (batch_size,),
        "next_states": (count, symbols),
        "actions": (len(automaton.actions), 3),
        "costs": (count, symbols),
        "stacks": (batch_size, automaton.stacks.shape[-1]),
        "heights": (batch_size,),
    }
    for name, shape in shapes.items():
        if getattr(automaton, name).shape != shape:
            yield f"{name} has the shape {list(getattr(automaton, name).shape)}, not {list(shape)}"
    depth = automaton.stacks.shape[-1]
    on_stacks = torch.arange(depth) < automaton.heights.unsqueeze(1)
    yield from _out_of_range("states", automaton.states, 0, count)
    yield from _out_of_range("next_states", automaton.next_states, -1 - len(automaton.actions), count)
    yield from _out_of_range("states in actions", automaton.actions[:, 1:], -1, count)
    yield from _out_of_range("counts in actions", automaton.actions[:, 0], 0, depth + 1)
    yield from _out_of_range("heights", automaton.heights, 0, depth + 1)
    yield from _out_of_range("stacks", automaton.stacks[on_stacks], 0, count)
    if ((automaton.actions[:, 0] == 0) & (automaton.actions[:, 2] < 0)).any():
        yield "an action returns to the popped state, but pops none"
    if (automaton.costs.numpy().min(axis=1) == FORBIDDEN).any():
        yield "a state forbids every symbol"


def _out_of_range(name: str, numbers: torch.Tensor, least: int, stop: int) -> Iterator[str]:
    if not numbers.numel():
        return
    lowest, highest = numbers.numpy().min(), numbers.numpy().max()
    if lowest < least or highest >= stop:
        yield f"{name} must be from {least} to {stop - 1}, not {lowest if lowest < least else highest}"

"""Validation of a sampler's constraint automaton, because compiled code uses it without checks."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqforge.faults import wrong_result
from seqforge.interfaces import FORBIDDEN, ConstraintAutomaton, Sampler

_TABLES = ("next_states", "actions", "costs", "weights")


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
    if automaton:
        _validate(sampler, automaton, None, batch_size, symbols)
    return automaton


def next_automaton(sampler: Sampler, memory: Any, stopped: ConstraintAutomaton) -> ConstraintAutomaton:
    """Return the automaton with which a sampler replaces one that stopped.

    Tables that are tensors of the stopped automaton are not validated again, since this would take longer than to draw
    a symbol.

    Raises:
        PluginError: If there is none, or it is invalid.
    """
    automaton = sampler.automaton(memory)
    if automaton is None:
        raise wrong_result(sampler.automaton, "returned None after `memory_after_stop`, not a new automaton")
    _validate(sampler, automaton, stopped, len(stopped.states), stopped.costs.shape[1])
    return automaton


def has_stopped(automaton: ConstraintAutomaton) -> bool:
    """Return whether the sampler must replace an automaton after a draw."""
    return automaton.states.min().item() < 0 or 0 < automaton.remaining <= automaton.valid_until


def _validate(
    sampler: Sampler,
    automaton: ConstraintAutomaton,
    stopped: ConstraintAutomaton | None,
    batch_size: int,
    symbols: int,
) -> None:
    for fault in _faults(automaton, stopped, batch_size, symbols):
        raise wrong_result(sampler.automaton, f"returned an invalid automaton: {fault}")


def _faults(
    automaton: ConstraintAutomaton, stopped: ConstraintAutomaton | None, batch_size: int, symbols: int
) -> Iterator[str]:
    count, depth = automaton.weights.numel(), automaton.stacks.shape[-1]
    if stopped is None or any(getattr(automaton, name) is not getattr(stopped, name) for name in _TABLES):
        shapes = {
            "weights": (count,),
            "next_states": (count, symbols),
            "actions": (len(automaton.actions), 3),
            "costs": (count, symbols),
        }
        yield from _wrong_types(automaton, shapes)
        yield from _faults_of_tables(automaton)
    shapes = {"states": (batch_size,), "stacks": (batch_size, depth), "heights": (batch_size,)}
    yield from _wrong_types(automaton, shapes)
    stacks, heights = automaton.stacks.numpy(), automaton.heights.numpy()
    yield from _out_of_range("states", automaton.states.numpy(), 0, count)
    yield from _out_of_range("heights", heights, 0, depth + 1)
    yield from _out_of_range("stacks", stacks[np.arange(depth) < heights[:, None]], 0, count)
    if 0 < automaton.remaining <= automaton.valid_until:
        yield f"valid_until is {automaton.valid_until}, but must be less than remaining, {automaton.remaining}"


def _wrong_types(automaton: ConstraintAutomaton, shapes: dict[str, tuple[int, ...]]) -> Iterator[str]:
    for name, shape in shapes.items():
        table, dtype = getattr(automaton, name), torch.int8 if name == "costs" else torch.int32
        if table.dtype != dtype or table.device.type != "cpu" or not table.is_contiguous():
            yield f"{name} is not a contiguous tensor of {dtype} on the CPU"
        if table.shape != shape:
            yield f"{name} has the shape {list(table.shape)}, not {list(shape)}"


def _faults_of_tables(automaton: ConstraintAutomaton) -> Iterator[str]:
    count, depth = automaton.weights.numel(), automaton.stacks.shape[-1]
    yield from _out_of_range("next_states", automaton.next_states.numpy(), -1 - len(automaton.actions), count)
    yield from _out_of_range("states in actions", automaton.actions[:, 1:].numpy(), -1, count)
    yield from _out_of_range("counts in actions", automaton.actions[:, 0].numpy(), 0, depth + 1)
    if ((automaton.actions[:, 0] == 0) & (automaton.actions[:, 2] < 0)).any():
        yield "an action returns to the popped state, but pops none"
    if (automaton.costs.numpy().min(axis=1) == FORBIDDEN).any():
        yield "a state forbids every symbol"


def _out_of_range(name: str, numbers: NDArray[np.int32], least: int, stop: int) -> Iterator[str]:
    if not numbers.size:
        return
    lowest, highest = numbers.min(), numbers.max()
    if lowest < least or highest >= stop:
        yield f"{name} must be from {least} to {stop - 1}, not {lowest if lowest < least else highest}"

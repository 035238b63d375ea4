"""Validation of a sampler's constraint automaton, because compiled code uses it without checks."""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter, is_not
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Int64

from seqforge.faults import wrong_result
from seqforge.interfaces import FORBIDDEN, ConstraintAutomaton, Sampler

_TABLES, _PLACES = ("weights", "next_states", "actions", "costs"), ("states", "stacks", "heights")
_tables_of: Callable[[ConstraintAutomaton], tuple[Any, ...]] = attrgetter(*_TABLES)
_places_of: Callable[[ConstraintAutomaton], tuple[Any, ...]] = attrgetter(*_PLACES)
_VERBS = {"automaton": "returned", "resume": "left"}


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
        _validate(sampler.automaton, automaton, _TABLES + _PLACES, batch_size, symbols)
    return automaton


def resume_automaton(
    sampler: Sampler, memory: Any, automaton: ConstraintAutomaton, tokens: Int64[np.ndarray, " batch"]
) -> Any:
    """Continue an automaton that stopped by its sampler, and return the sampler's memory.

    Tables are validated again only if they are new, since this takes longer than to draw a symbol.

    Raises:
        PluginError: If the automaton is invalid.
    """
    batch_size, symbols = automaton.states.shape[0], automaton.costs.shape[1]
    tables, places = _tables_of(automaton), _places_of(automaton)
    memory = sampler.resume(memory, automaton, tokens)
    new: tuple[str, ...] = ()
    if any(map(is_not, tables, _tables_of(automaton))):
        new += _TABLES
    if any(map(is_not, places, _places_of(automaton))):
        new += _PLACES
    _validate(sampler.resume, automaton, new, batch_size, symbols)
    return memory


def has_stopped(automaton: ConstraintAutomaton) -> bool:
    """Return whether the sampler must continue an automaton after a draw."""
    # For so few numbers, Python is faster than array operations.
    return min(cast("list[int]", automaton.states.tolist())) < 0 or 0 < automaton.remaining <= automaton.valid_until


def _validate(
    method: Callable[..., Any], automaton: ConstraintAutomaton, new: Sequence[str], batch_size: int, symbols: int
) -> None:
    fault = next(_faults_of_new(automaton, new, batch_size, symbols), None) if new else None
    if fault := fault or _fault_of_places(automaton):
        raise wrong_result(method, f"{_VERBS[method.__name__]} an invalid automaton: {fault}")


def _faults_of_new(automaton: ConstraintAutomaton, new: Sequence[str], batch_size: int, symbols: int) -> Iterator[str]:
    count, depth = automaton.weights.numel(), automaton.stacks.shape[-1]
    shapes = {
        "weights": (count,),
        "next_states": (count, symbols),
        "actions": (len(automaton.actions), 3),
        "costs": (count, symbols),
        "states": (batch_size,),
        "stacks": (batch_size, depth),
        "heights": (batch_size,),
    }
    yield from _wrong_types(automaton, {name: shapes[name] for name in new})
    if "costs" in new:
        yield from _faults_of_tables(automaton)


def _fault_of_places(automaton: ConstraintAutomaton) -> str | None:
    """Return what is wrong with the numbers that change with every draw, or None."""
    # This runs whenever an automaton stops. For so few numbers, Python is faster than NumPy.
    states = cast("list[int]", automaton.states.tolist())
    heights = cast("list[int]", automaton.heights.tolist())
    stacks = cast("list[list[int]]", automaton.stacks.tolist())
    waiting = [number for row, height in zip(stacks, heights, strict=True) for number in row[:height]]
    count, depth = automaton.weights.numel(), len(stacks[0])
    for name, numbers, stop in (("states", states, count), ("heights", heights, depth + 1), ("stacks", waiting, count)):
        if numbers and not 0 <= min(numbers) <= max(numbers) < stop:
            return _describe_range(name, min(numbers), 0, max(numbers), stop)
    if 0 < automaton.remaining <= automaton.valid_until:
        return f"valid_until is {automaton.valid_until}, but must be less than remaining, {automaton.remaining}"
    return None


def _wrong_types(automaton: ConstraintAutomaton, shapes: dict[str, tuple[int, ...]]) -> Iterator[str]:
    for name, shape in shapes.items():
        table: Any = getattr(automaton, name)
        if name in _PLACES:
            if type(table) is not np.ndarray or table.dtype != np.int32 or not table.flags.c_contiguous:
                yield f"{name} is not a contiguous NumPy array of int32"
        else:
            dtype = torch.int8 if name == "costs" else torch.int32
            if table.dtype != dtype or table.device.type != "cpu" or not table.is_contiguous():
                yield f"{name} is not a contiguous tensor of {dtype} on the CPU"
        if table.shape != shape:
            yield f"{name} has the shape {[*table.shape]}, not {[*shape]}"


def _faults_of_tables(automaton: ConstraintAutomaton) -> Iterator[str]:
    count, depth = automaton.weights.numel(), automaton.stacks.shape[-1]
    for name, table, least, stop in (
        ("next_states", automaton.next_states, -1 - len(automaton.actions), count),
        ("states in actions", automaton.actions[:, 1:], -1, count),
        ("counts in actions", automaton.actions[:, 0], 0, depth + 1),
    ):
        if table.numel():
            numbers = table.numpy()
            lowest, highest = int(numbers.min()), int(numbers.max())
            if lowest < least or highest >= stop:
                yield _describe_range(name, lowest, least, highest, stop)
    if ((automaton.actions[:, 0] == 0) & (automaton.actions[:, 2] < 0)).any():
        yield "an action returns to the popped state, but pops none"
    if (automaton.costs.numpy().min(axis=1) == FORBIDDEN).any():
        yield "a state forbids every symbol"


def _describe_range(name: str, lowest: int, least: int, highest: int, stop: int) -> str:
    return f"{name} must be from {least} to {stop - 1}, not {lowest if lowest < least else highest}"

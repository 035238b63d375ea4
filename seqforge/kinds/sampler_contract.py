"""The contract of a sampler: its logits, and its constraint automaton, whose tables compiled code reads unchecked."""

import math
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Int32, Int64
from torch import Tensor

from seqforge.errors import describe_type
from seqforge.faults import require_right, wrong_result
from seqforge.kinds.generation_kernel import FORBIDDEN, ConstraintAutomaton
from seqforge.kinds.sampler import Sampler, SamplingContext
from seqforge.kinds.vocabulary import Vocabulary

_ARRAYS = ("states", "stacks", "heights")
"""Parts that are NumPy arrays; the others are tensors."""

_VERBS = {"automaton": "returned", "resume": "left"}


def transform_logits(sampler: Sampler, logits: Tensor, memory: object) -> Tensor:
    """Return the logits that a sampler returns for logits `[batch, symbols]`.

    Raises:
        PluginError: If they are not a tensor of the same shape. Their values are not checked; see `drawing_fault`.
    """
    transformed: Any = sampler.transform(logits, memory)
    if not isinstance(transformed, Tensor) or transformed.shape != logits.shape:
        shown = list(transformed.shape) if isinstance(transformed, Tensor) else describe_type(transformed)
        raise wrong_result(sampler.transform, f"returned {shown}, not logits {list(logits.shape)}")
    return transformed


def drawing_fault(logits: Tensor) -> str | None:
    """Return why no symbol can be drawn from the logits that a sampler returned, or None."""
    if (logits.isnan() | (logits == math.inf)).any():
        return "returned a logit that is NaN or infinity"
    if (logits == -math.inf).all(-1).any():
        return "forbids every symbol; at least one must stay allowed"
    return None


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
        _require_none(
            sampler.automaton, chain(_faults_of_parts(automaton, batch_size, symbols), _faults_of_places(automaton))
        )
    return automaton


def resume_automaton(
    sampler: Sampler, memory: Any, automaton: ConstraintAutomaton, tokens: Int64[np.ndarray, " batch"]
) -> tuple[Any, ConstraintAutomaton]:
    """Continue an automaton that stopped by its sampler, and return the sampler's memory and the automaton.

    The tables and arrays are validated only if the automaton is another one, since this takes longer than to draw a
    symbol. The numbers in the arrays are for the kernel to check, which takes less time there; see `check_places`.

    Raises:
        PluginError: If the automaton is invalid.
    """
    result: Any = sampler.resume(memory, automaton, tokens)
    try:
        memory, continued = result
    except (TypeError, ValueError):
        continued = None
    if continued is automaton:
        return memory, automaton
    if not isinstance(continued, ConstraintAutomaton):
        shown = describe_type(result)
        raise wrong_result(sampler.resume, f"returned {shown}, not a tuple of the memory and an automaton")
    _require_none(sampler.resume, _faults_of_parts(continued, len(tokens), automaton.costs.shape[1]))
    return memory, continued


def check_places(sampler: Sampler, automaton: ConstraintAutomaton) -> None:
    """Check the numbers of an automaton that its sampler has continued.

    Raises:
        PluginError: If a number is out of range.
    """
    _require_none(sampler.resume, _faults_of_places(automaton))


def has_stopped(automaton: ConstraintAutomaton) -> bool:
    """Return whether the sampler must continue an automaton after a draw."""
    # For so few numbers, Python is faster than array operations.
    return min(cast("list[int]", automaton.states.tolist())) < 0 or 0 < automaton.remaining <= automaton.valid_until


def _require_none(method: Callable[..., Any], faults: Iterator[str]) -> None:
    if fault := next(faults, None):
        raise wrong_result(method, f"{_VERBS[method.__name__]} an invalid automaton: {fault}")


def _faults_of_parts(automaton: ConstraintAutomaton, batch_size: int, symbols: int) -> Iterator[str]:
    """Yield what is wrong with the types and shapes, and then with the tables, whose numbers never change."""
    count, depth = automaton.closing_lengths.numel(), automaton.stacks.shape[-1]
    shapes = {
        "closing_lengths": (count,),
        "next_states": (count, symbols),
        "actions": (len(automaton.actions), 3),
        "costs": (count, symbols),
        "states": (batch_size,),
        "stacks": (batch_size, depth),
        "heights": (batch_size,),
    }
    for name, shape in shapes.items():
        part: Any = getattr(automaton, name)
        if name in _ARRAYS:
            if type(part) is not np.ndarray or part.dtype != np.int32 or not part.flags.c_contiguous:
                yield f"{name} is not a contiguous NumPy array of int32"
        else:
            dtype = torch.int8 if name == "costs" else torch.int32
            if part.dtype != dtype or part.device.type != "cpu" or not part.is_contiguous():
                yield f"{name} is not a contiguous tensor of {dtype} on the CPU"
        if part.shape != shape:
            yield f"{name} has the shape {[*part.shape]}, not {[*shape]}"
    actions = automaton.actions
    yield from _out_of_range("next_states", automaton.next_states.numpy(), -1 - len(actions), count)
    yield from _out_of_range("states in actions", actions[:, 1:].numpy(), -1, count)
    yield from _out_of_range("counts in actions", actions[:, 0].numpy(), 0, depth + 1)
    if ((actions[:, 0] == 0) & (actions[:, 2] < 0)).any():
        yield "an action returns to the popped state, but pops none"
    if (automaton.costs.numpy().min(axis=1) == FORBIDDEN).any():
        yield "a state forbids every symbol"


def _faults_of_places(automaton: ConstraintAutomaton) -> Iterator[str]:
    """Yield what is wrong with the numbers that change with each draw."""
    count, depth = automaton.closing_lengths.numel(), automaton.stacks.shape[1]
    heights = automaton.heights
    yield from _out_of_range("states", automaton.states, 0, count)
    yield from _out_of_range("heights", heights, 0, depth + 1)
    yield from _out_of_range("stacks", automaton.stacks[np.arange(depth) < heights[:, np.newaxis]], 0, count)
    if 0 < automaton.remaining <= automaton.valid_until:
        yield f"valid_until is {automaton.valid_until}, but must be less than remaining, {automaton.remaining}"


def _out_of_range(name: str, numbers: Int32[np.ndarray, "..."], least: int, stop: int) -> Iterator[str]:
    if numbers.size:
        lowest, highest = int(numbers.min()), int(numbers.max())
        if lowest < least or highest >= stop:
            yield f"{name} must be from {least} to {stop - 1}, not {lowest if lowest < least else highest}"


def trial(build: Callable[[], Sampler], vocabulary: Vocabulary) -> str:
    """Choose two symbols for two samples.

    Args:
        build: Function that returns the sampler.
        vocabulary: Vocabulary that can encode "The ".

    Raises:
        PluginError: If the result is not logits, every symbol is forbidden, or the automaton is invalid.
    """
    sampler = build()
    prompt = torch.as_tensor(vocabulary.encode("The ").astype("int64"))
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        memory = sampler.start(SamplingContext(prompt, 2, 8, vocabulary))
        for _ in range(2):
            given = torch.randn(2, vocabulary.size, generator=generator)
            logits = transform_logits(sampler, given, memory)
            require_right(sampler.transform, drawing_fault(logits))
            memory = sampler.advance(memory, logits.argmax(-1), given)
    first_automaton(sampler, memory, 2, vocabulary.size)
    return "2 draws" + (", and a rule for compiled code" if sampler.logit_rule() else "")

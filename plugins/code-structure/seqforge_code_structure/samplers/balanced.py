"""The sampler `balanced`."""

from __future__ import annotations

import sys
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.errors import ExperimentError
from seqforge.interfaces import FORBIDDEN, ConstraintAutomaton, Sampler, SamplingContext, Vocabulary
from seqforge_code_structure.defects import DEEPEST_NESTING
from seqforge_code_structure.samplers.automaton import BOTTOM, Automaton, Stack, build_automaton
from seqforge_code_structure.samplers.grammar import FRAGMENT

_LEAST = torch.tensor(-1e30)
"""A logit so low that the symbol is never drawn, unless all allowed symbols have it."""


class Memory(NamedTuple):
    """Memory of the sampler after a draw.

    Attributes:
        automaton: Tables for the vocabulary.
        states: Number of each sample's state.
        stacks: Stack of each sample.
        near: If more symbols are left than this, only symbols that are always forbidden are forbidden.
        left: Number of symbols that are still drawn for each sample.
        limits: Upper bounds of the logits.
    """

    automaton: Automaton
    states: list[int]
    stacks: list[Stack]
    near: int
    left: int
    limits: Float[Tensor, "batch symbols"]


class Balanced(Sampler):
    """Balanced brackets, comments, literals and directives in generated C.

    The sampler forbids symbols that close nothing, and makes each sample close everything before its end. It reads
    comments, strings, character literals and directives as a compiler does; each branch of an `#if` and each macro must
    balance by itself. Something may be opened only while enough symbols are left to close it and everything around it.
    If a prompt leaves too much open for that, nothing more is opened, and nothing has to be closed.

    Put it first in the chain, so that kernels can run it. If samplers before it leave no allowed symbol, all allowed
    symbols become equally likely.
    """

    def start(self, context: SamplingContext) -> Memory:
        """Return the memory after the prompt, which is not constrained.

        Raises:
            ExperimentError: If a symbol of the vocabulary is not a single character or byte.
        """
        automaton = build_automaton(token_characters(context.vocabulary))
        state, stack = 0, BOTTOM
        for token in cast("list[int]", context.prompt.tolist()):
            state, stack = automaton.follow(state, stack, token)
        count = context.batch_size
        return _memory(automaton, [state] * count, [stack] * count, context.length)

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: Memory) -> Float[Tensor, "batch symbols"]:
        """Return logits that forbid the symbols which must not follow."""
        return logits.clamp(_LEAST, memory.limits)

    def advance(self, memory: Memory, tokens: Int[Tensor, " batch"]) -> Memory:
        """Return the memory after a draw."""
        automaton, states, stacks, near, left, limits = memory
        entries, left = automaton.entries, left - 1
        drawn = cast("list[int]", tokens.tolist())
        moved = [entries[state][token] for state, token in zip(states, drawn, strict=True)]
        if min(moved) < 0:
            stacks = stacks.copy()
            for sample, entry in enumerate(moved):
                if entry < 0:
                    moved[sample], stack = automaton.follow(states[sample], stacks[sample], drawn[sample])
                    stacks[sample] = stack
                    if stack.closing_length + automaton.slack > near:
                        near = _near(automaton, stack)
        elif moved == states and left > near:
            return Memory(automaton, states, stacks, near, left, limits)
        return Memory(automaton, moved, stacks, near, left, _limits(automaton, moved, stacks, near, left))

    def automaton(self, memory: Memory) -> ConstraintAutomaton:
        """Return the constraint automaton with the same effect as `transform` and `advance`."""
        automaton, states, stacks, _, left, _ = memory
        numbers = [stack.numbers() for stack in stacks]
        # Each state on a stack, except the lowest, takes at least one character to close, so this width suffices.
        rows = np.zeros((len(stacks), max(DEEPEST_NESTING, *map(len, numbers)) + 2), dtype=np.int32)
        for row, waiting in zip(rows, numbers, strict=True):
            row[: len(waiting)] = waiting
        return ConstraintAutomaton(
            states=torch.tensor(states, dtype=torch.int32),
            following=automaton.following,
            actions=automaton.actions,
            costs=automaton.costs,
            weights=automaton.weights,
            stacks=torch.from_numpy(rows),
            heights=torch.tensor(list(map(len, numbers)), dtype=torch.int32),
            left=left,
            most=DEEPEST_NESTING,
        )

    def memory_after_stop(self, memory: Memory, stopped: ConstraintAutomaton, tokens: Int[Tensor, " batch"]) -> Memory:
        """Return the memory after a line break that drops states in a directive, which the tables do not describe."""
        automaton = memory.automaton
        states, drawn = cast("list[int]", stopped.states.tolist()), cast("list[int]", tokens.tolist())
        stacks = [BOTTOM] * len(states)
        rows = cast("list[list[int]]", stopped.stacks.tolist())
        for sample, height in enumerate(cast("list[int]", stopped.heights.tolist())):
            for number in rows[sample][:height]:
                stacks[sample] = automaton.push(number, stacks[sample])
            if states[sample] < 0:
                before = -1 - states[sample]
                states[sample], stacks[sample] = automaton.follow(before, stacks[sample], drawn[sample])
        return _memory(automaton, states, stacks, stopped.left)


def _memory(automaton: Automaton, states: list[int], stacks: list[Stack], left: int) -> Memory:
    near = max(_near(automaton, stack) for stack in stacks)
    return Memory(automaton, states, stacks, near, left, _limits(automaton, states, stacks, near, left))


def _near(automaton: Automaton, stack: Stack) -> int:
    """Return the number of symbols left at which the length to close a sample starts to matter."""
    near = automaton.slack + stack.closing_length
    return near if near <= DEEPEST_NESTING else sys.maxsize


def _limits(
    automaton: Automaton, states: list[int], stacks: list[Stack], near: int, left: int
) -> Float[Tensor, "batch symbols"]:
    if left > near:
        return torch.from_numpy(automaton.limits.take(states, axis=0))
    costs = automaton.costs.numpy().take(states, axis=0)
    length = automaton.weights.numpy().take(states) + [stack.closing_length for stack in stacks]
    room = left - 1 - length
    room = np.where(room < -1, 0, room)
    room = np.minimum(room, np.maximum(DEEPEST_NESTING - length, 0))
    # At least one symbol must be allowed.
    room = np.minimum(np.maximum(room, costs.min(axis=1)), FORBIDDEN - 1)
    return torch.from_numpy(np.where(costs > room[:, None], -np.inf, np.inf).astype(np.float32))


def token_characters(vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the character of each token. A byte that is a part of a character is `FRAGMENT`.

    Raises:
        ExperimentError: If a symbol is not a single character or byte.
    """
    return tuple(_character(vocabulary, token) for token in range(vocabulary.size))


def _character(vocabulary: Vocabulary, token: int) -> str:
    content = vocabulary.decode([token])
    if len(content) == 1 and not content.isascii():
        return FRAGMENT
    if not content:
        raise ExperimentError(
            "the sampler code-structure/balanced is for models of running text, and this model has an end-of-sequence "
            "symbol",
            hint="Remove the sampler from the chain.",
        )
    text = content.decode("utf-8", "replace")
    if len(text) != 1:
        raise ExperimentError(
            f"the sampler code-structure/balanced needs symbols of one character, and symbol {token} is {text!r}",
            hint="Use a vocabulary of bytes or of characters, or remove the sampler from the chain.",
        )
    return text

"""Generated C whose brackets balance."""

from __future__ import annotations

import sys
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.interfaces import FORBIDDEN, ConstraintAutomaton, Sampler, SamplingContext
from seqforge_code_structure.limits import DEEPEST_NESTING
from seqforge_code_structure.samplers.automaton import BOTTOM, Automaton, Stack
from seqforge_code_structure.samplers.symbols import characters_of
from seqforge_code_structure.samplers.tables import automaton_of

_LEAST = torch.tensor(-1e30)
"""A logit so low that nothing is drawn by it, unless all that are allowed are as low."""


class Memory(NamedTuple):
    """What is known of the samples after a draw.

    Attributes:
        automaton: Of texts.
        states: Where each sample stands in it.
        stacks: What waits of each.
        near: While more symbols are left, only what is never allowed is forbidden.
        left: Symbols still to be drawn for each.
        limits: What logits are cut to.
    """

    automaton: Automaton
    states: list[int]
    stacks: list[Stack]
    near: int
    left: int
    limits: Float[Tensor, "batch symbols"]


class Balanced(Sampler):
    """Keeps a sample from closing what is not open, and has it close what is open before its end.

    It knows comments, strings, character literals and directives as a compiler does; each branch of an `#if` and each
    macro must be balanced in itself. Something may be opened while enough symbols are left to close it and what is
    around it; where a prompt leaves too much open for that, nothing more is opened, and nothing need be closed. Put it
    first: kernels can then follow it; and if the samplers before it left no symbol that is allowed, all that are
    allowed become equally likely.
    """

    def start(self, context: SamplingContext) -> Memory:
        """Read the prompt, in which anything goes.

        Args:
            context: Holds the prompt, the number of samples, their length, and the vocabulary.

        Raises:
            ExperimentError: Where the vocabulary has symbols of several characters.
        """
        automaton = automaton_of(characters_of(context.vocabulary))
        state, stack = 0, BOTTOM
        for token in cast("list[int]", context.prompt.tolist()):
            state, stack = automaton.follow(state, stack, token)
        count = context.batch_size
        return _memory(automaton, [state] * count, [stack] * count, context.length)

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: Memory) -> Float[Tensor, "batch symbols"]:
        """Forbid what must not come next.

        Args:
            logits: From the model, or from the sampler before.
            memory: Where each sample stands.
        """
        return logits.clamp(_LEAST, memory.limits)

    def advance(self, memory: Memory, tokens: Int[Tensor, " batch"]) -> Memory:
        """Follow what was drawn.

        Args:
            memory: Where each sample stood.
            tokens: What was drawn for each.
        """
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
                    if stack.owed + automaton.slack > near:
                        near = _near(automaton, stack)
        elif moved == states and left > near:
            return Memory(automaton, states, stacks, near, left, limits)
        return Memory(automaton, moved, stacks, near, left, _limits(automaton, moved, stacks, near, left))

    def automaton(self, memory: Memory) -> ConstraintAutomaton:
        """Say the same as tables.

        Args:
            memory: Where each sample stands.
        """
        automaton, states, stacks, _, left, _ = memory
        numbers = [stack.numbers() for stack in stacks]
        # What waits takes a character or more to close, but for the outermost; so that there is always room.
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
        """Go on where a line's end drops what is inside a directive, which the tables do not tell.

        Args:
            memory: Where each sample stood.
            stopped: Where its draws left them.
            tokens: What was drawn last.
        """
        automaton = memory.automaton
        states, drawn = cast("list[int]", stopped.states.tolist()), cast("list[int]", tokens.tolist())
        stacks = [BOTTOM] * len(states)
        rows = cast("list[list[int]]", stopped.stacks.tolist())
        for sample, height in enumerate(cast("list[int]", stopped.heights.tolist())):
            for number in rows[sample][:height]:
                stacks[sample] = automaton.on_top(number, stacks[sample])
            if states[sample] < 0:
                before = -1 - states[sample]
                states[sample], stacks[sample] = automaton.follow(before, stacks[sample], drawn[sample])
        return _memory(automaton, states, stacks, stopped.left)


def _memory(automaton: Automaton, states: list[int], stacks: list[Stack], left: int) -> Memory:
    near = max(_near(automaton, stack) for stack in stacks)
    return Memory(automaton, states, stacks, near, left, _limits(automaton, states, stacks, near, left))


def _near(automaton: Automaton, stack: Stack) -> int:
    """Give the number of symbols left from which on a sample has to be watched."""
    near = automaton.slack + stack.owed
    return near if near <= DEEPEST_NESTING else sys.maxsize


def _limits(
    automaton: Automaton, states: list[int], stacks: list[Stack], near: int, left: int
) -> Float[Tensor, "batch symbols"]:
    if left > near:
        return torch.from_numpy(automaton.limits.take(states, axis=0))
    costs = automaton.costs.numpy().take(states, axis=0)
    owed = automaton.weights.numpy().take(states) + [stack.owed for stack in stacks]
    room = left - 1 - owed
    room = np.where(room < -1, 0, room)
    room = np.minimum(room, np.maximum(DEEPEST_NESTING - owed, 0))
    # One symbol has to be left.
    room = np.minimum(np.maximum(room, costs.min(axis=1)), FORBIDDEN - 1)
    return torch.from_numpy(np.where(costs > room[:, None], -np.inf, np.inf).astype(np.float32))

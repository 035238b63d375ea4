"""The sampler `balanced`."""

from __future__ import annotations

import sys
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from seqforge_code_structure.defects import DEEPEST_NESTING
from torch import Tensor

from seqforge.kinds import FORBIDDEN, ConstraintAutomaton, Sampler, SamplingContext
from seqforge_c_samplers.automaton import BOTTOM, LEAST_LOGIT, Automaton, Stack, build_automaton, token_characters


class Memory(NamedTuple):
    """Memory of the sampler after a draw.

    Attributes:
        automaton: Tables for the vocabulary.
        states: Number of the state of each sample.
        stacks: Stack of each sample.
        horizon: While more symbols than this remain, there is room to close everything, whatever is drawn next.
        remaining: Number of symbols that remain to be drawn for each sample.
        limits: Upper bounds of the logits.
    """

    automaton: Automaton
    states: list[int]
    stacks: list[Stack]
    horizon: int
    remaining: int
    limits: Float[Tensor, "batch symbols"]


class Balanced(Sampler):
    """Balanced brackets, comments, literals and directives in generated C.

    The sampler forbids symbols that close nothing, and makes each sample close everything before its end. It parses
    comments, strings, character literals and directives as a compiler does. Each branch of an `#if` and each macro must
    balance by itself. A bracket, comment, literal or `#if` may be opened only if enough symbols are left to close it
    and everything around it. If the prompt leaves more open than the sample can close, nothing more is opened, and
    nothing has to be closed.

    Put this sampler first in the chain, so that generation kernels can run it. If samplers before it leave no allowed
    symbol, all allowed symbols become equally likely.
    """

    def start(self, context: SamplingContext) -> Memory:
        """Return the memory after the prompt. The prompt itself is not constrained.

        Raises:
            ExperimentError: If a symbol of the vocabulary is not a single character or byte.
        """
        automaton = build_automaton(token_characters(context.vocabulary, "c-samplers/balanced"))
        state, stack = 0, BOTTOM
        for token in cast("list[int]", context.prompt.tolist()):
            state, stack = automaton.follow(state, stack, token)
        count = context.batch_size
        return _new_memory(automaton, [state] * count, [stack] * count, context.length)

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: Memory) -> Float[Tensor, "batch symbols"]:
        """Return the logits, with minus infinity for the symbols that must not follow."""
        return logits.clamp(LEAST_LOGIT, memory.limits)

    def advance(self, memory: Memory, tokens: Int[Tensor, " batch"], logits: Tensor) -> Memory:
        """Return the memory after a draw."""
        automaton, states, stacks, horizon, remaining, limits = memory
        entries, remaining = automaton.entries, remaining - 1
        drawn = cast("list[int]", tokens.tolist())
        moved = [entries[state][token] for state, token in zip(states, drawn, strict=True)]
        if min(moved) < 0:
            stacks = stacks.copy()
            for sample, entry in enumerate(moved):
                if entry < 0:
                    moved[sample], stack = automaton.follow(states[sample], stacks[sample], drawn[sample])
                    stacks[sample] = stack
                    if stack.closing_length + automaton.slack > horizon:
                        horizon = _find_horizon(automaton, stack)
        elif moved == states and remaining > horizon:
            return Memory(automaton, states, stacks, horizon, remaining, limits)
        return Memory(
            automaton, moved, stacks, horizon, remaining, _compute_limits(automaton, moved, stacks, horizon, remaining)
        )

    def automaton(self, memory: Memory) -> ConstraintAutomaton:
        """Return the constraint automaton with the same effect as `transform` and `advance`."""
        automaton, states, stacks, _, remaining, _ = memory
        numbers = [stack.numbers() for stack in stacks]
        # This width suffices: each state on a stack, except the lowest, takes at least one character to close.
        rows = np.zeros((len(stacks), max(DEEPEST_NESTING, *map(len, numbers)) + 2), dtype=np.int32)
        for row, waiting in zip(rows, numbers, strict=True):
            row[: len(waiting)] = waiting
        return ConstraintAutomaton(
            states=np.array(states, dtype=np.int32),
            next_states=automaton.next_states,
            actions=automaton.actions,
            costs=automaton.costs,
            closing_lengths=automaton.closing_lengths,
            stacks=rows,
            heights=np.array(list(map(len, numbers)), dtype=np.int32),
            remaining=remaining,
            largest_closing_length=DEEPEST_NESTING,
        )

    def resume(
        self, memory: Memory, automaton: ConstraintAutomaton, tokens: Int64[np.ndarray, " batch"]
    ) -> tuple[Memory, ConstraintAutomaton]:
        """Continue after a draw that the tables do not describe, since it drops the states of a directive."""
        tables = memory.automaton
        states, drawn = cast("list[int]", automaton.states.tolist()), cast("list[int]", tokens.tolist())
        stacks = [BOTTOM] * len(states)
        rows = cast("list[list[int]]", automaton.stacks.tolist())
        for sample, height in enumerate(cast("list[int]", automaton.heights.tolist())):
            for number in rows[sample][:height]:
                stacks[sample] = tables.push(number, stacks[sample])
            if states[sample] < 0:
                before = -1 - states[sample]
                states[sample], stacks[sample] = tables.follow(before, stacks[sample], drawn[sample])
        memory = _new_memory(tables, states, stacks, automaton.remaining)
        new = self.automaton(memory)
        if new.stacks.shape != automaton.stacks.shape:  # A vocabulary without closing brackets can fill any stack.
            return memory, new
        automaton.states[:], automaton.stacks[:], automaton.heights[:] = new.states, new.stacks, new.heights
        return memory, automaton


def _new_memory(automaton: Automaton, states: list[int], stacks: list[Stack], remaining: int) -> Memory:
    horizon = max(_find_horizon(automaton, stack) for stack in stacks)
    return Memory(
        automaton, states, stacks, horizon, remaining, _compute_limits(automaton, states, stacks, horizon, remaining)
    )


def _find_horizon(automaton: Automaton, stack: Stack) -> int:
    """Return the `Memory.horizon` of one sample."""
    horizon = automaton.slack + stack.closing_length
    return horizon if horizon <= DEEPEST_NESTING else sys.maxsize


def _compute_limits(
    automaton: Automaton, states: list[int], stacks: list[Stack], horizon: int, remaining: int
) -> Float[Tensor, "batch symbols"]:
    if remaining > horizon:
        return torch.from_numpy(automaton.limits.take(states, axis=0))
    costs = automaton.costs.numpy().take(states, axis=0)
    length = automaton.closing_lengths.numpy().take(states) + [stack.closing_length for stack in stacks]
    room = remaining - 1 - length
    room = np.where(room < -1, 0, room)
    room = np.minimum(room, np.maximum(DEEPEST_NESTING - length, 0))
    # At least one symbol must be allowed.
    room = np.minimum(np.maximum(room, costs.min(axis=1)), FORBIDDEN - 1)
    return torch.from_numpy(np.where(costs > room[:, None], -np.inf, np.inf).astype(np.float32))

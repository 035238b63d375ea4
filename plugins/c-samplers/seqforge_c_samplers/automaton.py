"""Compile the grammar to tables for a vocabulary: a pushdown automaton with numbered states.

There are about 700 states, whatever the text, since the elements around the innermost open one are on the stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float32, Int8, Int32
from torch import Tensor

from seqforge.errors import ExperimentError
from seqforge.kinds import FORBIDDEN, Vocabulary
from seqforge_c_samplers.bracket_grammar import (
    FRAGMENT,
    LexicalState,
    Move,
    closing_character,
    closing_length,
    forbidden_characters,
    representative,
    transition,
)

Action = tuple[int, int, int]
"""An action as `ConstraintAutomaton` defines it: the number of pops, the pushed state, and the next state."""
UNKNOWN = -1
"""Entry of the table `next_states` for a move that drops states, which no action describes."""
_POP: Action = (1, -1, -1)
LEAST_LOGIT = torch.tensor(-1e30)
"""Lower bound of the logits. A symbol with this logit is drawn only if all allowed symbols have it."""


class Stack(NamedTuple):
    """A stack of states to return to.

    Attributes:
        number: Number of the state on top.
        below: The rest of the stack; None for `BOTTOM`, the empty stack.
        closing_length: Number of characters that close everything on the stack.
    """

    number: int
    below: Stack | None
    closing_length: int

    def numbers(self) -> list[int]:
        """Return the numbers of its states, with the top last."""
        found: list[int] = []
        stack = self
        while stack.below is not None:
            found.append(stack.number)
            stack = stack.below
        return found[::-1]


BOTTOM = Stack(0, None, 0)


@dataclass(eq=False, repr=False)
class Automaton:
    """Tables of the grammar for a vocabulary. `ConstraintAutomaton` defines their entries.

    Attributes:
        characters: Character of each token.
        states: State of each number; number 0 is the state of an empty text.
        next_states: For each token, the number of the next state or of an action, or `UNKNOWN` if the move drops
            states.
        actions: Actions of `next_states`.
        costs: For each token, the change of the number of characters that close everything, or `FORBIDDEN`.
        closing_lengths: Number of characters that close everything in a state, without its stack.
        limits: Upper bounds of the logits: minus infinity for tokens that are always forbidden, else infinity.
        slack: Upper bound of the sum of a state's closing length and a token's cost.
        entries: `next_states` as lists, since reading a single number from these is three times as fast.
    """

    characters: tuple[str, ...]
    states: tuple[LexicalState, ...]
    next_states: Int32[Tensor, "states symbols"]
    actions: Int32[Tensor, "actions 3"]
    costs: Int8[Tensor, "states symbols"]
    closing_lengths: Int32[Tensor, " states"]
    limits: Float32[np.ndarray, "states symbols"]
    slack: int

    def __post_init__(self) -> None:
        self.entries = cast("list[list[int]]", self.next_states.tolist())
        self._actions = cast("list[Action]", self.actions.tolist())
        self._closing_lengths = cast("list[int]", self.closing_lengths.tolist())

    def follow(self, number: int, stack: Stack, token: int) -> tuple[int, Stack]:
        """Return the number of the next state after a token, and the next stack."""
        entry = self.entries[number][token]
        if entry >= 0:
            return entry, stack
        if entry != UNKNOWN:
            _, pushed, target = self._actions[-2 - entry]
            return (stack.number, stack.below or BOTTOM) if pushed < 0 else (target, self.push(pushed, stack))
        while stack.below and self.states[stack.number].directive is not None:
            stack = stack.below
        move = transition(self.states[number], self.characters[token])
        return self.states.index(move.states[0]), stack

    def push(self, number: int, stack: Stack) -> Stack:
        """Return a stack with one more state on top."""
        return Stack(number, stack, self._closing_lengths[number] + stack.closing_length)


@lru_cache(maxsize=4)
def build_automaton(characters: tuple[str, ...]) -> Automaton:
    """Build the tables for a vocabulary with one character for each token."""
    kinds = sorted({representative(character) for character in characters})
    states = _find_reachable_states(kinds)
    numbers = {state: number for number, state in enumerate(states)}
    lengths = {state: closing_length(state) for state in states}
    unclosable = {state for state in states if not _is_closable(state, kinds)}
    actions: dict[Action, int] = {_POP: 0}
    next_states = np.empty((len(states), len(kinds)), dtype=np.int32)
    costs = np.empty(next_states.shape, dtype=np.int8)
    for number, state in enumerate(states):
        forbidden = forbidden_characters(state)
        for column, kind in enumerate(kinds):
            move = transition(state, kind)
            next_states[number, column] = _encode_move(move, numbers, actions)
            never_closed = not unclosable.isdisjoint(move.states) and (state not in unclosable or move.pushed)
            longer = sum(lengths[target] for target in move.states) - lengths[state]
            costs[number, column] = FORBIDDEN if kind in forbidden or never_closed else longer
    # At least one token must be allowed.
    costs[(costs == FORBIDDEN).all(axis=1)] = 0
    columns = [kinds.index(representative(character)) for character in characters]
    next_states, costs = next_states.take(columns, axis=1), costs.take(columns, axis=1)
    return Automaton(
        characters=characters,
        states=states,
        next_states=torch.from_numpy(next_states),
        actions=torch.tensor(list(actions), dtype=torch.int32),
        costs=torch.from_numpy(costs),
        closing_lengths=torch.tensor(list(lengths.values()), dtype=torch.int32),
        limits=np.where(costs == FORBIDDEN, -np.inf, np.inf).astype(np.float32),
        slack=max(lengths.values()) + int(costs[costs < FORBIDDEN].max()),
    )


def _find_reachable_states(kinds: list[str]) -> tuple[LexicalState, ...]:
    found = {LexicalState(): None}
    waiting = list(found)
    while waiting:
        state = waiting.pop()
        new = {target: None for kind in kinds for target in transition(state, kind).states if target not in found}
        found |= new
        waiting += new
    return tuple(found)


def _encode_move(move: Move, numbers: dict[LexicalState, int], actions: dict[Action, int]) -> int:
    """Return the entry of `next_states` for a move, and add its action to `actions` if it needs one."""
    if move.drops:
        return UNKNOWN
    if move.state is None:
        action = _POP
    elif move.pushed is None:
        return numbers[move.state]
    else:
        action = (0, numbers[move.pushed], numbers[move.state])
    return -2 - actions.setdefault(action, len(actions))


def _is_closable(state: LexicalState, kinds: list[str]) -> bool:
    """Return whether a vocabulary has all characters that close everything in a state."""
    character = closing_character(state)
    if not character:
        return True
    states = transition(state, character).states
    return representative(character) in kinds and all(_is_closable(target, kinds) for target in states)


def token_characters(vocabulary: Vocabulary, sampler: str) -> tuple[str, ...]:
    """Return the character of each token, or `FRAGMENT` for a byte that is a part of a character.

    Args:
        vocabulary: The vocabulary.
        sampler: Name of the sampler, for messages.

    Raises:
        ExperimentError: If a symbol is not a single character or byte.
    """
    return tuple(_character(vocabulary, token, sampler) for token in range(vocabulary.size))


def _character(vocabulary: Vocabulary, token: int, sampler: str) -> str:
    content = vocabulary.decode([token])
    if len(content) == 1 and not content.isascii():
        return FRAGMENT
    if not content:
        raise ExperimentError(
            f"the sampler {sampler} is for models of running text, but this model has an end-of-sequence symbol",
            hint="Remove the sampler from the chain.",
        )
    text = content.decode("utf-8", "replace")
    if len(text) != 1:
        raise ExperimentError(
            f"the sampler {sampler} needs symbols of one character, but symbol {token} is {text!r}",
            hint="Use a vocabulary of bytes or of characters, or remove the sampler from the chain.",
        )
    return text

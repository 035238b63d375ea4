"""Writes the automaton of a vocabulary: for each state and each token, where it leads and what it costs.

There are some hundreds of states, whatever the text: what is around the innermost bracket or branch is on a stack.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from seqforge.interfaces import FORBIDDEN
from seqforge_code_structure.samplers.automaton import UNKNOWN, Action, Automaton
from seqforge_code_structure.samplers.grammar import (
    Move,
    State,
    after,
    closer,
    forbidden,
    length_to_close,
    stands_for,
)

_POP: Action = (1, -1, -1)


@lru_cache(maxsize=4)
def automaton_of(characters: tuple[str, ...]) -> Automaton:
    """Write the tables for a vocabulary.

    Args:
        characters: What each token writes.
    """
    kinds = sorted({stands_for(character) for character in characters})
    states = _reachable(kinds)
    numbers = {state: number for number, state in enumerate(states)}
    lengths = {state: length_to_close(state) for state in states}
    unclosable = {state for state in states if not _is_closable(state, kinds)}
    actions: dict[Action, int] = {_POP: 0}
    following = np.empty((len(states), len(kinds)), dtype=np.int32)
    costs = np.empty(following.shape, dtype=np.int8)
    for number, state in enumerate(states):
        refused = forbidden(state)
        for column, kind in enumerate(kinds):
            move = after(state, kind)
            following[number, column] = _entry(move, numbers, actions)
            opens_for_good = not unclosable.isdisjoint(move.states) and (state not in unclosable or move.pushed)
            longer = sum(lengths[into] for into in move.states) - lengths[state]
            costs[number, column] = FORBIDDEN if kind in refused or opens_for_good else longer
    # One symbol has to be left.
    costs[(costs == FORBIDDEN).all(axis=1)] = 0
    columns = [kinds.index(stands_for(character)) for character in characters]
    following, costs = following.take(columns, axis=1), costs.take(columns, axis=1)
    return Automaton(
        characters=characters,
        states=states,
        following=torch.from_numpy(following),
        actions=torch.tensor(list(actions), dtype=torch.int32),
        costs=torch.from_numpy(costs),
        weights=torch.tensor(list(lengths.values()), dtype=torch.int32),
        limits=np.where(costs == FORBIDDEN, -np.inf, np.inf).astype(np.float32),
        slack=max(lengths.values()) + int(costs[costs < FORBIDDEN].max()),
    )


def _reachable(kinds: list[str]) -> tuple[State, ...]:
    found = {State(): None}
    waiting = list(found)
    while waiting:
        state = waiting.pop()
        new = {into: None for kind in kinds for into in after(state, kind).states if into not in found}
        found |= new
        waiting += new
    return tuple(found)


def _entry(move: Move, numbers: dict[State, int], actions: dict[Action, int]) -> int:
    """Write a move as a number, and the action that it may need."""
    if move.drops:
        return UNKNOWN
    if move.state is None:
        action = _POP
    elif move.pushed is None:
        return numbers[move.state]
    else:
        action = (0, numbers[move.pushed], numbers[move.state])
    return -2 - actions.setdefault(action, len(actions))


def _is_closable(state: State, kinds: list[str]) -> bool:
    """Tell whether a vocabulary has the characters that close what a state has open."""
    character = closer(state)
    if not character:
        return True
    return stands_for(character) in kinds and all(_is_closable(into, kinds) for into in after(state, character).states)

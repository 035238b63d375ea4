"""A pushdown automaton of texts that are being written: what each of its states forbids and leads to, as tables.

Its states are those of `writing` without what is around the innermost bracket or branch. That is on a stack, as states
to return to: an opener pushes one, as does the `#` of a directive, and a closer or the line's end pops it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from seqforge_code_structure.limits import DEEPEST_NESTING
from seqforge_code_structure.samplers.symbols import Symbols
from seqforge_code_structure.samplers.writing import (
    BRANCH,
    SIGNS,
    Mode,
    Open,
    State,
    after,
    closing_length,
    forbidden,
    is_like_others,
    lasts,
)

ROOM = (DEEPEST_NESTING - 1) // len(BRANCH)
"""Of a stack: with so many things open, each closed by no more than a branch is, none is too deep."""
_UNKNOWN = -1
_FIRST_ROOM = 64
_LARGEST_GROWTH = 2
"""Characters by which one character, such as `'`, makes longer what closes everything."""
_AT_ONCE = 12
_PER_SYMBOL = 2
"""What closes everything grows by no more than the one, and the other for each symbol: `#` and `"` add the most."""
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"))
_AROUND = Open(None, "", 0)
"""Stands for all that is around the innermost bracket or branch."""

Action = tuple[int, int, int]
"""How many states to pop; which one to push, or -1; which one to go to, or -1 for the one that was popped last."""


class Place(NamedTuple):
    """Where a text stands.

    Attributes:
        number: Of its state.
        stack: Numbers of the states to return to, the innermost last.
    """

    number: int
    stack: tuple[int, ...]


class Automaton:
    """Tables that grow as states are met.

    Args:
        symbols: What each token writes.

    Attributes:
        symbols: The same.
        following: `[room, symbols]`: after each token the state, or -1 where it is not known yet, or of what number the
            action is, as -2, -3, and so on.
        known: The same, for single look-ups, which are faster so.
        actions: `[actions, 3]`, each an `Action`.
        limits: `[room, symbols]`, what logits are cut to: minus infinity where a token must not come next.
        kinds: Of each state; two of one kind forbid the same.
    """

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.following = np.empty((0, len(symbols.characters)), dtype=np.int32)
        self.known = self.following.data
        self.actions = np.empty((0, 3), dtype=np.int32)
        self.limits = np.empty(self.following.shape, dtype=np.float32)
        self.kinds: list[int] = []
        self.never = "".join(opener for opener, closer in _PAIRS if not symbols.has(closer))
        self._keeps = np.array([character not in SIGNS for character in symbols.characters])
        self._others = self._keeps & np.array([character not in " \t" for character in symbols.characters])
        self._states: list[State] = []
        self._numbers: dict[State, int] = {}
        self._actions: list[Action] = []

    def place(self, state: State) -> Place:
        """Find where a text stands.

        Args:
            state: What is known of it.
        """
        returns = [
            State(Mode.LINE_START if opened.closer == BRANCH else Mode.CODE, opened.below)
            for opened in _outermost_first(state.top if state.directive is None else state.outside)
        ]
        if state.directive is not None:
            returns.append(State(Mode.LINE_START, state.outside))
            returns += [
                State(Mode.CODE, opened.below, state.directive, state.outside) for opened in _outermost_first(state.top)
            ]
        return Place(self._number(state), tuple(map(self._number, returns)))

    def state(self, place: Place) -> State:
        """Give what is known of a text.

        Args:
            place: Where it stands.
        """
        top = outside = within = None
        for number in (*place.stack, place.number):
            _, innermost, directive, _ = self._states[number]
            if directive is not None and within is None:
                top, outside = None, top
            elif innermost is not None:
                top = Open(top, innermost.closer, len(innermost.closer) + (top.length if top else 0))
            within = directive
        return State(self._states[place.number].mode, top, within, outside)

    def follow(self, place: Place, token: int) -> Place:
        """Go on by a token, and learn how.

        Args:
            place: Where a text stood.
            token: What was drawn.
        """
        number, stack = place
        entry = self.known[number, token]
        if entry == _UNKNOWN:
            self._learn(number, token)
            entry = self.known[number, token]
        if entry >= 0:
            return Place(entry, stack)
        if entry == _UNKNOWN:
            return self.place(after(self.state(place), self.symbols.characters[token]))
        pops, push, number = self._actions[-2 - entry]
        if pops:
            stack, number = stack[:-pops], stack[-pops]
        return Place(number, stack if push < 0 else (*stack, push))

    def _learn(self, number: int, token: int) -> None:
        state, character = self._states[number], self.symbols.characters[token]
        found = after(state, character)
        action = self._action(state, found)
        if action == (0, -1, action[2]):
            tokens = self._others if is_like_others(state, character) else token
            self.following[number, tokens] = action[2]
        elif action != _LOST:
            if action not in self._actions:
                self._actions.append(action)
                self.actions = np.array(self._actions, dtype=np.int32)
            self.following[number, token] = -2 - self._actions.index(action)

    def _action(self, before: State, found: State) -> Action:
        if before.directive is not None and found.directive is None:
            if before.top is not None:
                return _LOST
            if found.top is before.outside:
                return 1, -1, -1
            # An `#endif` ends the branch as well; an `#if` begins one, from which to return where the `#` would.
            return (2, -1, -1) if found.top is _AROUND else (0, -1, self._number(found))
        if before.directive is None and found.directive is not None:
            return 0, self._number(State(Mode.LINE_START, before.top)), self._number(found)
        if found.top is before.top:
            return 0, -1, self._number(found)
        if found.top is _AROUND:
            return 1, -1, -1
        return 0, self._number(State(Mode.CODE, before.top, found.directive, found.outside)), self._number(found)

    def _number(self, state: State) -> int:
        """Find the number of a state, whatever is around it, or give it one."""
        alone = State(state.mode, _innermost(state.top), state.directive, _innermost(state.outside))
        if (number := self._numbers.get(alone)) is not None:
            return number
        number = self._numbers[alone] = len(self._states)
        if number == len(self.following):
            # The old tables stay as they were, for whoever follows them.
            self.following = np.resize(self.following, (max(_FIRST_ROOM, 2 * number), self.following.shape[1]))
            self.known = self.following.data
            self.limits = np.resize(self.limits, self.following.shape)
        self._states.append(alone)
        self.kinds.append(self.symbols.kind(forbidden(alone) + self.never))
        self.following[number] = np.where(self._keeps, number, _UNKNOWN) if lasts(alone) else _UNKNOWN
        self.limits[number] = self.symbols.limits[self.kinds[number]]
        return number


_LOST: Action = (-1, -1, -1)
"""Where a directive ends with brackets open, of which the stack has more than can be told."""


def _innermost(opened: Open | None) -> Open | None:
    return opened and Open(_AROUND, opened.closer, 0)


def _outermost_first(opened: Open | None) -> Iterator[Open]:
    chain: list[Open] = []
    while opened is not None:
        chain.append(opened)
        opened = opened.below
    return reversed(chain)


@lru_cache(maxsize=4)
def automaton_of(characters: tuple[str, ...]) -> Automaton:
    """Give the automaton of a vocabulary: what one sample taught it serves the next.

    Args:
        characters: What each token writes.
    """
    return Automaton(Symbols(characters))


def near(state: State) -> int:
    """Give the number of symbols left from which on what is open may have to be closed.

    Args:
        state: What is known of a text.
    """
    return closing_length(state) + _LARGEST_GROWTH + 1


def far(states: Iterable[State], left: int) -> int:
    """Give the number of symbols, whatever they are, after which no text is near its end.

    Args:
        states: What is known of the texts.
        left: Symbols still to be drawn for each.
    """
    return max(0, (left - max(map(near, states)) - _AT_ONCE - 1) // (1 + _PER_SYMBOL))

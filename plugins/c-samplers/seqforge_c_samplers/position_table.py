"""The positions that samples have reached, as states of a constraint automaton that grows while samples are drawn.

A generation kernel follows the transitions that are known, and stops at one that is not. The state inside a comment or
string does not depend on the text around it: the state that follows waits on the stack. Neither does the state in a
word that may not end yet: the state before the word waits on the stack.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float32, Int8, Int32
from torch import Tensor

from seqforge.kinds import FORBIDDEN
from seqforge_c_samplers.automaton import BOTTOM
from seqforge_c_samplers.bracket_grammar import Mode
from seqforge_c_samplers.scoped_grammar import BLANK, MOST_BLANKS, Grammar, Position
from seqforge_c_samplers.words import Prefix, forced_characters, next_in_prefix

_UNKNOWN, _POP = -1, -2
"""Entries of `next_states`: a transition that is not in the table, and the action that ends a literal."""
NOTHING = 0
"""Number of a state that never waits, in place of a state that waits. There is thus always one number on the stack."""
_LONGEST_LITERAL_END = 3
"""Upper bound of the number of characters that end a comment or string."""
_FEWEST_STATES, _FEWEST_ACTIONS = 1024, 256
"""Sizes of the first tables. All tables are validated again whenever one of them grows."""
_MOST_STATES = 30_000
"""Number of states from which on a new table is begun. With 100 symbols, they take about 50 MB."""
_COSTS = np.where(np.arange(256)[:, np.newaxis] >> np.arange(8) & 1, 0, FORBIDDEN).astype(np.int8)
"""Costs of eight symbols for each byte of a set of characters."""


Place = tuple[int, int]
"""The place of a sample in a table: the number of its state, and the number of the state that waits, or `NOTHING`.

The state after the comment or string around it waits, or the state before the word around it. A plain tuple takes a
fraction of the time of a named one.
"""


class PositionTable:
    """A table of states. It only grows, so that places in it stay valid.

    Attributes:
        grammar: The grammar.
        next_states: States and actions after each symbol, as `ConstraintAutomaton` defines them.
        actions: Actions: the first one ends a comment or string, each other one begins one, or a word.
        costs: 0 for the symbols that may follow, else `FORBIDDEN`.
        closing_lengths: Zeros.
    """

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        symbols = len(grammar.automaton.characters)
        self.next_states: Int32[Tensor, "states symbols"] = torch.empty(0, symbols, dtype=torch.int32)
        self.costs: Int8[Tensor, "states symbols"] = torch.empty(0, symbols, dtype=torch.int8)
        self.closing_lengths: Int32[Tensor, " states"] = torch.empty(0, dtype=torch.int32)
        self.actions: Int32[Tensor, "actions 3"] = torch.tensor(
            [[1, NOTHING, -1], *[[1, NOTHING, 0]] * (_FEWEST_ACTIONS - 1)], dtype=torch.int32
        )
        self._positions: list[Position | Prefix] = []
        """For each state, a position that has it, or the prefix of a word."""
        self._sets: list[int] = []
        """For each state, the set of the characters that may follow."""
        self._numbers: dict[Position | Prefix, int] = {}
        """Numbers of the states."""
        self._words: dict[int, Position] = {}
        """For the states before words, a position in the word."""
        self._ends: dict[tuple[int, int, int], Place] = {}
        """Places after characters with which a word may end, which depend on the state that waits."""
        self._unrestricted: dict[int, int] = {}
        """For each state near the end of a sample, which allows fewer characters, the state without regard to it."""
        self._restricted: dict[tuple[int, int], int] = {}
        """Such states, by the other state and the set of the characters that they allow."""
        self._places: list[Place] = [(NOTHING, NOTHING)]
        """For each action, the place to which it leads."""
        self._actions: dict[Place, int] = {}
        """For each place to which an action leads, the index of the action."""
        self._outside = grammar.start().code
        self._bytes = symbols // 8 + 1
        self._costs_array, self._actions_array = self.costs.numpy(), self.actions.numpy()
        self._costs: dict[int, Int8[np.ndarray, " symbols"]] = {}
        """Row of `costs` for each set of characters."""
        self._blanks = [token for token, character in enumerate(grammar.automaton.characters) if character in BLANK]
        self._literals = self._add_literals()
        """For the numbers of the automaton's states in comments and strings, the numbers of the states here."""

    @property
    def is_full(self) -> bool:
        """Whether a new table should be begun."""
        return len(self._positions) >= _MOST_STATES

    def find_place(self, position: Position) -> Place:
        """Return the place of a position. Add its state if it is new."""
        if (inside := self._literals.get(position.number)) is None:
            return self._find_state(position), NOTHING
        return inside, self._find_state(self.grammar.leave_literal(position))

    def copy_place(self, other: PositionTable, place: Place) -> Place:
        """Return the place that equals a place of another table."""
        state, waiting = place
        position = other._positions[state]
        if waiting == NOTHING:
            return self.find_place(other._position(place))
        number, _ = self.copy_place(other, (waiting, NOTHING))
        if isinstance(position, Prefix):
            self._words[number] = other._words[waiting]
            return self._find_prefix(position), number
        return self._literals[position.number], number

    def follow(self, place: Place, token: int) -> Place:
        """Return the place after a token. Add the transition if it is new."""
        if (known := self._follow_known(place, token)) is not None:
            return known
        state, waiting = place
        if (unrestricted := self._unrestricted.get(state)) is not None:
            return self.follow((unrestricted, waiting), token)
        place = self._add_transition(state, waiting, token)
        # Add the transitions for as long as only one symbol may follow, as at the end of a long name.
        after = place
        while (found := self._sets[after[0]]).bit_count() == 1:
            token = found.bit_length() - 1
            if self._follow_known(after, token) is not None:
                break
            after = self._add_transition(*after, token)
        return place

    def _follow_known(self, place: Place, token: int) -> Place | None:
        state, waiting = place
        entry: int = self._next.item(state, token)
        if entry >= 0:
            return entry, waiting
        if entry == _UNKNOWN:
            return self._ends.get((state, waiting, token)) if waiting != NOTHING else None
        return (waiting, NOTHING) if entry == _POP else self._places[-2 - entry]

    def limit(self, place: Place, remaining: int) -> tuple[Place, int]:
        """Return the place with the symbols that may follow if a number of symbols remain to be drawn.

        Returns:
            The place, and for how many symbols nothing else need be considered.
        """
        state, waiting = place
        grammar, position, outside = self.grammar, self._position(place), None
        if position.number in self._literals:
            outside = self._position((waiting, NOTHING))
            steps = grammar.free_steps(outside, remaining - _LONGEST_LITERAL_END)
        else:
            steps = grammar.free_steps(position, remaining)
        if steps:
            return place, steps
        character = grammar.closing_character(position)
        if outside is not None and not character and grammar.closing_character(outside):
            character = "\n"
        found = self._sets[state]
        ending = grammar.alphabet.bits(character or "\n ") & found or found
        token = ending.bit_length() - 1
        if (number := self._restricted.get((state, ending))) is None:
            number = self._restricted[state, ending] = self._add_state(self._positions[state], ending)
            self._unrestricted[number] = state
            if ending.bit_count() == 1 and self.follow(place, token) == place:
                self._next[number, token] = number
        # After its last unit, a sample has only line breaks.
        return (number, waiting), remaining if self._next[number, token] == number else 1

    def limits(self, states: list[int]) -> Float32[np.ndarray, "batch symbols"]:
        """Return upper bounds of the logits in states."""
        return np.where(self._costs_array.take(states, axis=0) == FORBIDDEN, -np.inf, np.inf).astype(np.float32)

    def _find_state(self, position: Position) -> int:
        # A position is hashed once: it has many parts.
        number = self._numbers.setdefault(position, len(self._positions))
        return number if number < len(self._positions) else self._add_state(position, self.grammar.allowed(position))

    def _find_prefix(self, prefix: Prefix) -> int:
        """Return the state in a word, or `NOTHING` if the word may end. Add the state if it is new."""
        if (number := self._numbers.get(prefix)) is None:
            names = self.grammar.names
            found = next_in_prefix(prefix, names)
            number = NOTHING if found & names.alphabet.complete or not found else self._add_state(prefix, found)
            self._numbers[prefix] = number
            if number != NOTHING and found.bit_count() == 1:
                self._add_prefixes(number, prefix, forced_characters(prefix, names))
        return number

    def _add_prefixes(self, number: int, prefix: Prefix, forced: str) -> None:
        """Add the states after that of a prefix which characters must follow."""
        for character, following in pairwise(forced):
            prefix = prefix.extend(character)
            after = self._numbers[prefix] = self._add_state(prefix, self.grammar.alphabet.bits(following))
            self._next[number, self._sets[number].bit_length() - 1] = after
            number = after

    def _position(self, place: Place) -> Position:
        state, waiting = place
        position = self._positions[state]
        if not isinstance(position, Prefix):
            return position
        number, stack, code, blanks = self._words[waiting]
        return Position(number, stack, code.spell(position.text), blanks)

    def _add_state(self, position: Position | Prefix, found: int) -> int:
        number = len(self._positions)
        if number == len(self._costs_array):
            self._grow()
        self._positions.append(position)
        self._sets.append(found)
        if (costs := self._costs.get(found)) is None:
            bits = np.frombuffer(found.to_bytes(self._bytes, "little"), dtype=np.uint8)
            costs = self._costs[found] = _COSTS.take(bits, axis=0).ravel()[: self.costs.shape[1]]
        self._costs_array[number] = costs
        return number

    def _grow(self) -> None:
        count = max(len(self.closing_lengths), _FEWEST_STATES)
        symbols = self.costs.shape[1]
        unknown = torch.full((count, symbols), _UNKNOWN, dtype=torch.int32)
        self.next_states = torch.cat([self.next_states, unknown])
        self.costs = torch.cat([self.costs, torch.zeros(count, symbols, dtype=torch.int8)])
        self.closing_lengths = torch.cat([self.closing_lengths, torch.zeros(count, dtype=torch.int32)])
        self._next, self._costs_array = self.next_states.numpy(), self.costs.numpy()

    def _add_literals(self) -> dict[int, int]:
        """Add the states in comments and strings, of which there is one for each mode, and their transitions."""
        grammar, states = self.grammar, dict[Mode, int]()
        automaton, found = grammar.automaton, dict[int, int]()
        for number, state in enumerate(automaton.states):
            position = Position(number, BOTTOM, self._outside)
            if grammar.in_literal(position):
                if state.mode not in states:
                    states[state.mode] = self._add_state(position, grammar.allowed(position))
                found[number] = states[state.mode]
        numbers = np.full(len(automaton.states), _POP, dtype=np.int32)
        numbers[list(found)] = list(found.values())
        for number, state in found.items():
            entries = automaton.next_states[number].numpy()
            self._next[state] = np.where(entries < 0, _POP, numbers[entries])
        return found

    def _add_transition(self, state: int, waiting: int, token: int) -> Place:
        """Return the place after a token, and add the transition. It must be new."""
        position, grammar = self._positions[state], self.grammar
        if isinstance(position, Prefix):
            number = self._find_prefix(position.extend(grammar.automaton.characters[token]))
            if number == NOTHING:
                after = grammar.advance(self._position((state, waiting)), token)
                place = self._ends[state, waiting, token] = self.find_place(after)
                return place
            self._next[state, token] = number
            return number, waiting
        after = grammar.advance(position, token)
        if 0 < after.blanks < MOST_BLANKS and after.number == position.number and after.code is position.code:
            self._next[state, token] = number = self._add_blanks(state, after)
            return number, NOTHING
        place = self._begin_word(state, after) or self.find_place(after)
        self._next[state, token] = place[0] if place[1] == NOTHING else self._find_action(place)
        return place

    def _add_blanks(self, state: int, after: Position) -> int:
        """Return the state after one more white space character, which changes nothing else.

        White space that is long often becomes longer. The states after up to three times as many further characters are
        added together, since one call takes less time than several.
        """
        entries = self.grammar.automaton.entries[after.number]
        same = [token for token in self._blanks if entries[token] == after.number]
        following = self._next[state].copy()
        following[self._blanks] = _UNKNOWN
        found, number = self._sets[state], _UNKNOWN
        # From the last one to the first one, since each leads to the one after it.
        for blanks in reversed(range(after.blanks, min(4 * after.blanks, MOST_BLANKS))):
            following[same] = number
            position = after._replace(blanks=blanks)
            if (number := self._numbers.get(position, _UNKNOWN)) == _UNKNOWN:
                number = self._numbers[position] = self._add_state(position, found)
                self._next[number] = following
            elif following[same[0]] != _UNKNOWN:
                self._next[number, same] = following[same]
        return number

    def _begin_word(self, state: int, after: Position) -> Place | None:
        """Return the place after the first character of a word, or None if it is not in a word that may not end."""
        prefix = self.grammar.find_prefix(after)
        if prefix is None or (number := self._find_prefix(prefix)) == NOTHING:
            return None
        self._words[state] = after
        return number, state

    def _find_action(self, place: Place) -> int:
        """Return the entry of the action that begins a comment or string."""
        if place not in self._actions:
            index = self._actions[place] = len(self._places)
            self._places.append(place)
            if index == len(self.actions):
                self.actions = torch.cat([self.actions, self.actions.new_tensor([[1, NOTHING, 0]] * index)])
                self._actions_array = self.actions.numpy()
            self._actions_array[index] = 1, place[1], place[0]
        return -2 - self._actions[place]

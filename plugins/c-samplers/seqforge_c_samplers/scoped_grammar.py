"""The grammar of the sampler `scoped` for a vocabulary: which characters may follow a text, and what ends it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from seqforge_code_structure.identifiers.lexicon import Lexicon

from seqforge.errors import ExperimentError
from seqforge.kinds import FORBIDDEN
from seqforge_c_samplers.automaton import BOTTOM, Stack, build_automaton
from seqforge_c_samplers.bracket_grammar import LITERALS, LexicalState, Mode
from seqforge_c_samplers.bracket_grammar import closing_character as closing_bracket
from seqforge_c_samplers.closing import closing_character
from seqforge_c_samplers.function_grammar import allowed, step
from seqforge_c_samplers.name_lists import NAME_CHARACTERS, Alphabet, Scope
from seqforge_c_samplers.names import NameTable
from seqforge_c_samplers.positions import CodePosition, Function, Phase
from seqforge_c_samplers.statements import end_directive, extend_directive
from seqforge_c_samplers.unit_grammar import allowed_outside, close_head, ends_with_comma, is_outside, step_outside
from seqforge_c_samplers.words import Prefix, read_prefix

_NEEDED = "\n ;:,(){}[]0\"'*/#=_" + "whileintendf"
"""Characters of the texts that end everything."""
_CODE_MODES = frozenset(mode for mode in Mode if mode <= Mode.DIRECTIVE_NAME)
_CHARACTER_MODES = frozenset({Mode.CHARACTER_START, Mode.CHARACTER, Mode.CHARACTER_ESCAPE, Mode.CHARACTER_RETURN})
_LONGEST_CHARACTER = 5
"""Length of a character literal without its last quotation mark. The analysis of names limits it, too."""
_BETWEEN = frozenset({Phase.TOP, Phase.LINE_END})
"""Phases between two units."""
BLANK = " \t\n"
MOST_BLANKS = 30
"""Upper bound of the number of consecutive white space characters of code inside of units, except in front of text that
must follow.

At a place where a model expects none of the allowed words, it would write white space without end.
"""
_DEEPEST = 100
"""Number of open elements of a function from which on they must be closed."""
_LONGEST_STEP = 80
"""Upper bound of the number of characters by which one character makes the text longer that ends everything."""
_GROWTH = 8
"""Upper bound of the same number on average, for consecutive characters, apart from `_LONGEST_STEP` once."""
_MOST_LENGTHS = 50_000
"""Number of positions whose lengths are kept. Then all are forgotten, to limit the memory."""
_LONGEST_END = 24
"""Upper bound of the number of characters that end one element of a function, except a name."""


class Position(NamedTuple):
    """The position of a sample in its text: in the grammar of brackets, and in that of statements and names.

    Attributes:
        number: Number of the state of the brackets, comments and literals.
        stack: States to return to.
        code: Position in the grammar of statements and names.
        blanks: Number of white space characters of code directly before it.
    """

    number: int
    stack: Stack
    code: CodePosition
    blanks: int = 0


class Grammar:
    """The grammar for a vocabulary and a lexicon.

    Args:
        characters: Character of each token.
        lexicon: Lexicon with the names that every function may use.
    """

    def __init__(self, characters: tuple[str, ...], lexicon: Lexicon) -> None:
        missing = sorted(set(_NEEDED) - set(characters))
        if missing:
            raise ExperimentError(
                f"the sampler c-samplers/scoped needs the characters {''.join(missing)!r}, which the vocabulary lacks",
                hint="Remove the sampler from the chain, or train the model on C.",
            )
        self.automaton = build_automaton(characters)
        self.alphabet = Alphabet(characters)
        self.names = NameTable(lexicon, self.alphabet)
        costs = self.automaton.costs.numpy() < FORBIDDEN
        self._brackets = [sum(1 << int(token) for token in np.flatnonzero(row)) for row in costs]
        self._lengths: dict[Position, int] = {}

    def start(self) -> Position:
        """Return the position at the start of a text."""
        scope = Scope.empty(self.alphabet)
        return Position(0, BOTTOM, CodePosition(Phase.TOP, scope, Function(scope)))

    def read(self, position: Position, tokens: list[int]) -> Position:
        """Return the position after tokens that need not be allowed. After one that is not, the grammar is lost."""
        for token in tokens:
            code = position.code
            if code.phase != Phase.LOST and not self.allowed(position) >> token & 1:
                lost = CodePosition(Phase.LOST, code.function.file, Function(code.function.file))
                position = position._replace(code=lost)
            position = self.advance(position, token)
        return position

    def advance(self, position: Position, token: int) -> Position:
        """Return the position after an allowed token."""
        number, stack, code, blanks = position
        automaton, character = self.automaton, self.automaton.characters[token]
        before = automaton.states[number]
        blank = character in BLANK and before.mode in _CODE_MODES and before.directive is None
        # Between units, white space may go on without end.
        blank = blank and (code.phase not in _BETWEEN or before.top != "")
        number, stack = automaton.follow(number, stack, token)
        code = self._advance_code(code, character, before, automaton.states[number])
        return Position(number, stack, code, min(blanks + 1, MOST_BLANKS) if blank else 0)

    def _advance_code(
        self, code: CodePosition, character: str, before: LexicalState, after: LexicalState
    ) -> CodePosition:
        if code.phase == Phase.DIRECTIVE:
            code = extend_directive(code, character)
            return code if after.directive is not None else end_directive(code)
        if code.frame is None:
            return step_outside(code, character, before, after)
        if before.mode in _CODE_MODES:
            return step(code, character, self.names, before.mode is Mode.COLUMN_ZERO)
        if before.mode in _CHARACTER_MODES:
            return code._replace(word=code.word + character if after.mode in _CHARACTER_MODES else "")
        return code

    def allowed(self, position: Position) -> int:
        """Return the set of the characters that may follow, without regard to the end of the sample."""
        number, _, code, blanks = position
        state, brackets = self.automaton.states[number], self._brackets[number]
        mode, bits = state.mode, self.alphabet.bits
        if code.phase == Phase.LOST:
            return brackets
        if mode in LITERALS and state.directive is None:
            return brackets & ~bits("\r\n") if mode is Mode.STRING_ESCAPE else brackets
        found = brackets & self._allow_code(code, state)
        if blanks == MOST_BLANKS:
            found &= ~bits(BLANK) | bits(self.closing_character(position) or BLANK)
        if code.frame and code.frame.depth > _DEEPEST:
            found = bits(self.closing_character(position)) or found
        return found or brackets

    def _allow_code(self, code: CodePosition, state: LexicalState) -> int:
        mode, bits = state.mode, self.alphabet.bits
        if code.phase == Phase.DIRECTIVE:
            return ~bits("\r")
        if mode in _CHARACTER_MODES:
            return self._allow_in_character(code.word)
        if mode not in _CODE_MODES or state.directive is not None:
            return -1
        if code.frame is None:
            return allowed_outside(code, state, self.alphabet)
        found = allowed(code, self.names, mode is Mode.COLUMN_ZERO, mode in (Mode.LINE_START, Mode.COLUMN_ZERO))
        if not code.function.is_body and is_outside(state):
            # In the next line, the metrics could find a new unit.
            found &= ~bits("\n/" if code.phase == Phase.SLASH else "\n")
        return found

    def _allow_in_character(self, literal: str) -> int:
        bits = self.alphabet.bits
        if len(literal) >= _LONGEST_CHARACTER or (len(literal) > 1 and literal[1] != "\\"):
            return bits("'")
        return bits("".join(map(chr, range(32, 127))))

    def find_prefix(self, position: Position) -> Prefix | None:
        """Return the prefix at a position if only prefixes and words with it are allowed, or None."""
        code = position.code
        return None if code.frame is None or code.frame.depth > _DEEPEST else read_prefix(code)

    def closing_character(self, position: Position) -> str:
        """Return the first character of a text that ends everything, or "" if nothing is open."""
        code, state = position.code, self.automaton.states[position.number]
        inside = code.frame is not None
        if state.mode not in _CODE_MODES or code.phase == Phase.DIRECTIVE or state.directive is not None:
            return closing_bracket(state) or ("\n" if state.directive is not None else "")
        if inside:
            column_zero = state.mode is Mode.COLUMN_ZERO
            wanted = closing_character(code, self.names, column_zero)
            if column_zero and wanted == "}" and state.nested:
                return " "
            if column_zero and wanted in NAME_CHARACTERS and not wanted.isdigit() and not code.function.pending:
                return " "
            if wanted == "#" and state.mode is not Mode.LINE_START and not column_zero:
                return "\n"
            return wanted
        if code.phase == Phase.SLASH:
            return "*"
        if code.phase == Phase.HEAD and state.mode is Mode.SLASH:
            return "*"
        if code.phase == Phase.HEAD and is_outside(state):
            return close_head(code.word)
        if code.phase == Phase.HEAD and ends_with_comma(code):
            return " " if state.mode is Mode.COLUMN_ZERO else "_"
        return closing_bracket(state)

    def closing_length(self, position: Position) -> int:
        """Return the number of characters of the text that ends everything."""
        token_of, passed = self.automaton.characters.index, list[Position]()
        while position not in self._lengths and (character := self.closing_character(position)):
            passed.append(position)
            position = self.advance(position, token_of(character))
        rest = self._lengths.get(position, 0)
        if len(self._lengths) > _MOST_LENGTHS:
            self._lengths.clear()
        for index, before in enumerate(passed):
            self._lengths[before] = rest + len(passed) - index
        return rest + len(passed)

    def leave_literal(self, position: Position) -> Position:
        """Return the position after the comment or string around a position, or the position itself."""
        automaton = self.automaton
        while self.in_literal(position):
            closer = closing_bracket(automaton.states[position.number]) or "\n"
            position = self.advance(position, automaton.characters.index(closer))
        return position

    def in_literal(self, position: Position) -> bool:
        """Return whether a position is inside a comment or string, outside of directives."""
        state = self.automaton.states[position.number]
        return state.mode in LITERALS and state.directive is None

    def free_steps(self, position: Position, remaining: int) -> int:
        """Return for how many symbols the end of the sample does not matter, or 0 if the sample must end now."""
        frame, pending = position.code.frame, position.code.function.pending
        names = sum(len(name) + 4 for name in pending)
        bound = (frame.depth if frame else 0) * _LONGEST_END + position.stack.closing_length + names + _LONGEST_STEP
        room = remaining - bound - _LONGEST_STEP
        if room < _LONGEST_STEP:
            room = remaining - self.closing_length(position) - _LONGEST_STEP
        # Each symbol leaves one symbol less, and symbols make the text longer that ends everything.
        return max(-(-(room - _LONGEST_STEP) // (1 + _GROWTH)), 1) if room > 0 else 0


@lru_cache(maxsize=4)
def build_grammar(characters: tuple[str, ...], lexicon: Lexicon) -> Grammar:
    """Build the grammar for a vocabulary."""
    return Grammar(characters, lexicon)

"""The sampler `scoped`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from seqforge.errors import ExperimentError
from seqforge.interfaces import FORBIDDEN, Sampler, SamplingContext
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_file import read_lexicon, read_linux_lexicon
from seqforge_code_structure.samplers.automaton import BOTTOM, Stack, build_automaton
from seqforge_code_structure.samplers.balanced import token_characters
from seqforge_code_structure.samplers.closing import closing_character
from seqforge_code_structure.samplers.function_grammar import allowed, step
from seqforge_code_structure.samplers.grammar import Mode, State
from seqforge_code_structure.samplers.grammar import closing_character as closing_bracket
from seqforge_code_structure.samplers.names import NAME_CHARACTERS, Alphabet, Scope, build_name_table
from seqforge_code_structure.samplers.row import Function, Phase, Row
from seqforge_code_structure.samplers.statements import end_directive
from seqforge_code_structure.samplers.unit_grammar import allowed_outside, is_outside, step_outside

_LEAST = torch.tensor(-1e30)
"""Lower bound of the logits. A symbol with this logit is drawn only if all allowed symbols have it."""
_NEEDED = "\n ;:,(){}[]0\"'*/#=_" + "whileintendf"
"""Characters of the texts that end everything."""
_CODE_MODES = frozenset(mode for mode in Mode if mode <= Mode.DIRECTIVE_NAME)
_CHARACTER_MODES = frozenset({Mode.CHARACTER_START, Mode.CHARACTER, Mode.CHARACTER_ESCAPE, Mode.CHARACTER_RETURN})
_LONGEST_CHARACTER = 5
"""Length of a character literal without its last quotation mark. The analysis of names limits it, too."""
_LONGEST_DIRECTIVE = 200
_DEEPEST = 100
"""Number of open elements of a function from which on they must be closed."""
_STEP = 80
"""Upper bound of the number of characters by which one character makes the text longer that ends everything."""
_LONGEST_END = 24
"""Upper bound of the number of characters that end one element of a function, except a name."""


class Position(NamedTuple):
    """The position of a sample.

    Attributes:
        number: Number of the state of the brackets, comments and literals.
        stack: States to return to.
        row: Position in the grammar of statements and names.
        allowed: Set of the characters that may follow.
    """

    number: int
    stack: Stack
    row: Row
    allowed: int


class Memory(NamedTuple):
    """Memory of the sampler after a draw.

    Attributes:
        grammar: The grammar for the vocabulary.
        positions: Position of each sample.
        remaining: Number of symbols that remain to be drawn for each sample.
        limits: Upper bounds of the logits.
    """

    grammar: Grammar
    positions: list[Position]
    remaining: int
    limits: Float[Tensor, "batch symbols"]


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
                f"the sampler code-structure/scoped needs the characters {''.join(missing)!r}, which the vocabulary "
                "lacks",
                hint="Remove the sampler from the chain, or train the model on C.",
            )
        self.automaton = build_automaton(characters)
        self.alphabet = Alphabet(characters)
        self.names = build_name_table(lexicon, self.alphabet)
        costs = self.automaton.costs.numpy() < FORBIDDEN
        self._brackets = [sum(1 << int(token) for token in np.flatnonzero(row)) for row in costs]
        self._rows: dict[int, int] = {}
        self._limits = np.empty((256, len(characters)), dtype=np.float32)

    def start(self) -> Position:
        """Return the position at the start of a text."""
        scope = Scope(self.alphabet)
        return self._allow(Position(0, BOTTOM, Row(Phase.TOP, scope, Function(scope)), 0))

    def advance(self, position: Position, token: int) -> Position:
        """Return the position after a token. After a character that is not allowed, the grammar has lost its way."""
        number, stack, row, found = position
        if not found >> token & 1 and row.phase != Phase.LOST:
            row = Row(Phase.LOST, row.function.file, Function(row.function.file))
        automaton = self.automaton
        before = automaton.states[number]
        number, stack = automaton.follow(number, stack, token)
        row = self._advance_row(row, automaton.characters[token], before, automaton.states[number])
        return self._allow(Position(number, stack, row, 0))

    def _advance_row(self, row: Row, character: str, before: State, after: State) -> Row:
        if row.frame is None:
            return step_outside(row, character, before, after, self.alphabet)
        if row.phase == Phase.DIRECTIVE:
            row = row._replace(word=(row.word + character)[:_LONGEST_DIRECTIVE])
            return row if after.directive is not None else end_directive(row)
        if before.mode in _CODE_MODES:
            return step(row, character, self.names, before.mode is Mode.COLUMN_ZERO)
        if before.mode in _CHARACTER_MODES:
            return row._replace(word=row.word + character if after.mode in _CHARACTER_MODES else "")
        return row

    def _allow(self, position: Position) -> Position:
        """Compute the set of the characters that may follow, without regard to the end of the sample."""
        number, _, row, _ = position
        state, brackets = self.automaton.states[number], self._brackets[number]
        found = brackets
        mode, bits = state.mode, self.alphabet.bits
        if row.frame is None:
            if mode in _CODE_MODES and state.directive is None:
                found &= allowed_outside(row, state, self.alphabet)
        elif row.phase == Phase.DIRECTIVE:
            found &= ~bits("\r")
        elif mode in _CODE_MODES:
            line_start = mode is Mode.LINE_START or mode is Mode.COLUMN_ZERO
            found &= allowed(row, self.names, mode is Mode.COLUMN_ZERO, line_start)
        elif mode in _CHARACTER_MODES:
            found &= self._allow_in_character(row.word)
        elif mode is Mode.STRING_ESCAPE:
            found &= ~bits("\r\n")
        if row.frame and row.frame.depth > _DEEPEST:
            found = bits(self.closing_character(position)) or found
        return position._replace(allowed=found or brackets)

    def _allow_in_character(self, literal: str) -> int:
        bits = self.alphabet.bits
        if len(literal) >= _LONGEST_CHARACTER or (len(literal) > 1 and literal[1] != "\\"):
            return bits("'")
        return bits("".join(map(chr, range(32, 127))))

    def closing_character(self, position: Position) -> str:
        """Return the first character of a text that ends everything, or "" if nothing is open."""
        number, _, row, _ = position
        state = self.automaton.states[number]
        inside = row.frame is not None
        if state.mode not in _CODE_MODES or row.phase == Phase.DIRECTIVE or state.directive is not None:
            return closing_bracket(state) or ("\n" if state.directive is not None else "")
        if inside:
            column_zero = state.mode is Mode.COLUMN_ZERO
            wanted = closing_character(row, self.names, column_zero)
            if column_zero and wanted == "}" and state.nested:
                return " "
            if column_zero and wanted in NAME_CHARACTERS and not wanted.isdigit() and not row.function.pending:
                return " "
            if wanted == "#" and state.mode is not Mode.LINE_START and not column_zero:
                return "\n"
            return wanted
        if row.phase == Phase.SLASH:
            return "*"
        if row.phase == Phase.HEAD and is_outside(state):
            return ";"
        return closing_bracket(state)

    def closing_length(self, position: Position) -> int:
        """Return the number of characters of the text that ends everything."""
        length = 0
        token_of = self.automaton.characters.index
        while character := self.closing_character(position):
            position = self.advance(position._replace(allowed=-1), token_of(character))
            length += 1
        return length

    def limit(self, position: Position, remaining: int) -> int:
        """Return the set of the characters that may follow if a number of symbols remain to be drawn."""
        frame = position.row.frame
        pending = sum(len(name) + 4 for name in position.row.function.pending)
        bound = (frame.depth if frame else 0) * _LONGEST_END + position.stack.closing_length + pending + 2 * _STEP
        if remaining > bound:
            return position.allowed
        if remaining > self.closing_length(position) + _STEP:
            return position.allowed
        bits = self.alphabet.bits
        if character := self.closing_character(position):
            return bits(character) or position.allowed
        return bits("\n ") & position.allowed or position.allowed

    def find_limits(self, sets: list[int]) -> Float[Tensor, "batch symbols"]:
        """Return upper bounds of the logits for sets of characters."""
        known = self._rows
        indices = [known[found] if found in known else self._add(found) for found in sets]
        return torch.from_numpy(self._limits.take(indices, axis=0))

    def _add(self, found: int) -> int:
        index = self._rows[found] = len(self._rows)
        if index == len(self._limits):
            self._limits = np.concatenate([self._limits, np.empty_like(self._limits)])
        flags = [found >> token & 1 for token in range(self._limits.shape[1])]
        self._limits[index] = np.where(flags, np.inf, -np.inf)
        return index


@lru_cache(maxsize=4)
def build_grammar(characters: tuple[str, ...], lexicon: Lexicon) -> Grammar:
    """Build the grammar for a vocabulary."""
    return Grammar(characters, lexicon)


class Scoped(Sampler):
    """Statements that parse and names that are declared, in generated C.

    In the bodies of functions, this sampler allows only characters that continue C: statements, declarations and
    expressions. An operand may only be a name in scope, or a variable, function or macro of the lexicon. A function
    that returns a value does so in each `return`, and has the labels of its jumps. Brackets, comments and literals are
    balanced as with `balanced`, which this sampler replaces. Each sample ends everything before its end.

    Put this sampler first in the chain.
    """

    def __init__(
        self,
        lexicon: Annotated[
            Path | None,
            Field(
                description="Lexicon file of `seqforge c-lexicon`. Default: that of Linux 6.12, a part of the plugin."
            ),
        ] = None,
    ) -> None:
        self._lexicon = read_lexicon(lexicon) if lexicon else read_linux_lexicon()

    def start(self, context: SamplingContext) -> Memory:
        """Return the memory after the prompt. The prompt itself is not constrained.

        Raises:
            ExperimentError: If a symbol of the vocabulary is not a single character or byte, or one is missing.
        """
        grammar = build_grammar(token_characters(context.vocabulary), self._lexicon)
        position = grammar.start()
        for token in cast("list[int]", context.prompt.tolist()):
            position = grammar.advance(position, token)
        return _remember(grammar, [position] * context.batch_size, context.length)

    def transform(self, logits: Float[Tensor, "batch symbols"], memory: Memory) -> Float[Tensor, "batch symbols"]:
        """Return the logits, with minus infinity for the symbols that must not follow."""
        return logits.clamp(_LEAST, memory.limits)

    def advance(self, memory: Memory, tokens: Int[Tensor, " batch"]) -> Memory:
        """Return the memory after a draw."""
        grammar, drawn = memory.grammar, cast("list[int]", tokens.tolist())
        advance = grammar.advance
        positions = [advance(position, token) for position, token in zip(memory.positions, drawn, strict=True)]
        return _remember(grammar, positions, memory.remaining - 1)


def _remember(grammar: Grammar, positions: list[Position], remaining: int) -> Memory:
    limit = grammar.limit
    sets = [limit(position, remaining) for position in positions]
    return Memory(grammar, positions, remaining, grammar.find_limits(sets))

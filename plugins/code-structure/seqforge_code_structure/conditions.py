"""Conditions of the preprocessor, under two assignments at once: all unknown names true, and all of them false.

A set of assignments consists of two bits, `ALL_TRUE` and `ALL_FALSE`. Correct code compiles under every assignment, so
its brackets balance under these two as well, whatever the names mean.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from seqforge_code_structure.defects import DEEPEST_NESTING

ALL_TRUE = 1
ALL_FALSE = 2
BOTH = ALL_TRUE | ALL_FALSE
NEITHER = 0

LONGEST_CONDITION = 1_000
"""Largest number of characters of an `#if`'s condition that is parsed; a longer one counts as one unknown name."""

CONDITIONAL = frozenset({"if", "ifdef", "ifndef", "elif", "elifdef", "elifndef", "else", "endif"})
_DEEPEST_EXPRESSION = 16
_DIRECTIVE = re.compile(r"\n?[ \t]*+#[ \t]*+(\w*+)")
_NOT_CODE = re.compile(r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/|//.*+|\\\r?\n", re.DOTALL)
_SYMBOLS = re.compile(r"&&|\|\||!(?!=)|[()]|(?:[^&|!()]|!=|&(?!&)|\|(?!\|))++", re.DOTALL)
_NEGATED_COMPARISON = re.compile(r"!=|(?<!<)<(?!<)")
_TESTS_OF_A_NAME = ("defined", "IS_ENABLED", "IS_BUILTIN", "IS_MODULE", "IS_REACHABLE")
_KNOWN = {"0": NEITHER, "1": BOTH, "__cplusplus": NEITHER, "__ASSEMBLY__": NEITHER, "__ASSEMBLER__": NEITHER}
"""Numbers, and names that no C compiler defines."""


class Level(NamedTuple):
    """An open `#if`.

    Attributes:
        outside: Assignments under which the text around it is compiled.
        taken: Assignments under which one of its earlier branches is compiled.
    """

    outside: int
    taken: int


class Conditions:
    """The open conditions at a position that moves through a text.

    An `#else` or `#endif` without an `#if` is ignored.

    Attributes:
        compiled: Assignments under which the text is compiled at this position.
    """

    def __init__(self) -> None:
        self.compiled = BOTH
        self._levels: list[Level] = []
        self._deeper = 0

    @property
    def too_deep(self) -> bool:
        """Whether conditions nest deeper than `DEEPEST_NESTING`."""
        return self._deeper > 0

    def follow(self, text: str, start: int, stop: int) -> str:
        """Move past a directive, which may begin with a line break, and return its name, such as `define`, or ""."""
        match = _DIRECTIVE.match(text, start, stop)
        name = match[1] if match else ""
        if match and name in CONDITIONAL:
            self._change(name, text[match.end() : min(stop, match.end() + LONGEST_CONDITION + 1)], text, stop)
        return name

    def _change(self, name: str, condition: str, text: str, stop: int) -> None:
        if name in ("if", "ifdef", "ifndef"):
            if len(self._levels) >= DEEPEST_NESTING:
                self._deeper += 1
                return
            guard = name == "ifndef" and _defines_next(text, stop, condition)
            true = BOTH if guard else evaluate_condition(name, condition)
            self._levels.append(Level(self.compiled, true))
            self.compiled &= true
        elif self._deeper:
            self._deeper -= name == "endif"
        elif not self._levels:
            return
        elif name == "endif":
            self.compiled = self._levels.pop().outside
        else:
            level = self._levels[-1]
            true = (BOTH if name == "else" else evaluate_condition(name.removeprefix("el"), condition)) & ~level.taken
            self._levels[-1] = Level(level.outside, level.taken | true)
            self.compiled = level.outside & true


def _defines_next(text: str, position: int, condition: str) -> bool:
    """Return whether `#define X` follows `#ifndef X`, as in an include guard or a default value."""
    name = re.match(r"\s*(\w+)", condition)
    follows = re.compile(r"\s*#[ \t]*define[ \t]+(\w+)").match(text, position, position + LONGEST_CONDITION)
    return bool(name and follows and name[1] == follows[1])


@lru_cache(maxsize=4096)
def evaluate_condition(name: str, condition: str) -> int:
    """Return the assignments under which the condition of an `if`, `ifdef` or `ifndef` holds.

    Names and comparisons are unknown; `!=` and `<` are the negations of `==` and `>=`.
    """
    if len(condition) > LONGEST_CONDITION:
        return ALL_TRUE
    plain = _NOT_CODE.sub(" ", condition).strip()
    if name != "if":
        plain = plain.split(maxsplit=1)[0] if plain else ""
        holds = _KNOWN.get(plain, ALL_TRUE) if plain != "1" else ALL_TRUE
        return holds if name == "ifdef" else BOTH & ~holds
    symbols = [symbol for raw in _SYMBOLS.findall(plain) if (symbol := raw.strip())]
    return _Expression(symbols).either(0)


class _Expression:
    """Parser of `||`, `&&`, `!` and brackets; everything else is one unknown operand."""

    def __init__(self, symbols: list[str]) -> None:
        self._symbols = symbols
        self._position = 0

    def _next_is(self, symbol: str) -> bool:
        found = self._position < len(self._symbols) and self._symbols[self._position] == symbol
        self._position += found
        return found

    def either(self, depth: int) -> int:
        holds = self._all(depth)
        while self._next_is("||"):
            holds |= self._all(depth)
        return holds

    def _all(self, depth: int) -> int:
        holds = self._single(depth)
        while self._next_is("&&"):
            holds &= self._single(depth)
        return holds

    def _single(self, depth: int) -> int:
        negated = False
        while self._next_is("!"):
            negated = not negated
        if depth < _DEEPEST_EXPRESSION and self._next_is("("):
            holds = self.either(depth + 1)
            self._next_is(")")
            self._rest()
        else:
            holds = self._unknown()
        return BOTH & ~holds if negated else holds

    def _unknown(self) -> int:
        words = self._rest()
        if words[:1] and words[0] in _TESTS_OF_A_NAME:
            words = [word for word in words[1:] if word not in "()"]
        plain = " ".join(words)
        if plain.startswith("defined "):
            plain = plain.removeprefix("defined ").strip()
        if plain in _KNOWN:
            return _KNOWN[plain]
        return ALL_FALSE if _NEGATED_COMPARISON.search(plain) else ALL_TRUE

    def _rest(self) -> list[str]:
        """Return all symbols up to the next `&&`, `||` or closing bracket of this level, and move past them."""
        words: list[str] = []
        depth = 0
        while self._position < len(self._symbols):
            symbol = self._symbols[self._position]
            if depth == 0 and symbol in ("&&", "||", ")"):
                break
            depth += (symbol == "(") - (symbol == ")")
            words.append(symbol)
            self._position += 1
        return words

"""Evaluate the preprocessor's conditions under two assignments at once: all unknown names are true, or all are false.

A set of assignments is a sum of the bits `ALL_TRUE` and `ALL_FALSE`. Correct code compiles under every assignment, so
its brackets balance under these two, whatever the names mean.
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
"""Length limit of the conditions that are parsed, in characters. A longer one counts as one unknown name."""

CONDITIONAL = frozenset({"if", "ifdef", "ifndef", "elif", "elifdef", "elifndef", "else", "endif"})
_DEEPEST_EXPRESSION = 16
_DIRECTIVE = re.compile(r"\n?[ \t]*+#[ \t]*+(\w*+)")
_NOT_CODE = re.compile(r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/|//.*+|\\\r?\n", re.DOTALL)
_TOKENS = re.compile(r"&&|\|\||!(?!=)|[()]|(?:[^&|!()]|!=|&(?!&)|\|(?!\|))++", re.DOTALL)
_NEGATED_COMPARISON = re.compile(r"!=|(?<!<)<(?!<)")
_NAME_TESTS = ("defined", "IS_ENABLED", "IS_BUILTIN", "IS_MODULE", "IS_REACHABLE")
_KNOWN = {"0": NEITHER, "1": BOTH, "__cplusplus": NEITHER, "__ASSEMBLY__": NEITHER, "__ASSEMBLER__": NEITHER}
"""Assignments under which numbers, and names that no C compiler defines, are true."""


class Level(NamedTuple):
    """An open `#if`.

    Attributes:
        outside: Assignments under which the text around it is compiled.
        taken: Assignments under which one of its branches so far is compiled.
    """

    outside: int
    taken: int


class Conditions:
    """The open conditions at the current position, which moves through a text.

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
    """Return the assignments under which the condition of an `if`, `ifdef` or `ifndef` is true.

    A comparison counts as an unknown name. `!=` and `<` count as the negations of `==` and `>=`.
    """
    if len(condition) > LONGEST_CONDITION:
        return ALL_TRUE
    plain = _NOT_CODE.sub(" ", condition).strip()
    if name != "if":
        plain = plain.split(maxsplit=1)[0] if plain else ""
        holds = _KNOWN.get(plain, ALL_TRUE) if plain != "1" else ALL_TRUE
        return holds if name == "ifdef" else BOTH & ~holds
    tokens = [token for raw in _TOKENS.findall(plain) if (token := raw.strip())]
    return _Expression(tokens).parse_or(0)


class _Expression:
    """Recursive-descent parser of `||`, `&&`, `!` and brackets. All other text between them is one operand."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._position = 0

    def _next_is(self, token: str) -> bool:
        found = self._position < len(self._tokens) and self._tokens[self._position] == token
        self._position += found
        return found

    def parse_or(self, depth: int) -> int:
        holds = self._parse_and(depth)
        while self._next_is("||"):
            holds |= self._parse_and(depth)
        return holds

    def _parse_and(self, depth: int) -> int:
        holds = self._parse_not(depth)
        while self._next_is("&&"):
            holds &= self._parse_not(depth)
        return holds

    def _parse_not(self, depth: int) -> int:
        negated = False
        while self._next_is("!"):
            negated = not negated
        if depth < _DEEPEST_EXPRESSION and self._next_is("("):
            holds = self.parse_or(depth + 1)
            self._next_is(")")
            self._take_operand()
        else:
            holds = self._parse_operand()
        return BOTH & ~holds if negated else holds

    def _parse_operand(self) -> int:
        words = self._take_operand()
        if words[:1] and words[0] in _NAME_TESTS:
            words = [word for word in words[1:] if word not in "()"]
        plain = " ".join(words)
        if plain.startswith("defined "):
            plain = plain.removeprefix("defined ").strip()
        if plain in _KNOWN:
            return _KNOWN[plain]
        return ALL_FALSE if _NEGATED_COMPARISON.search(plain) else ALL_TRUE

    def _take_operand(self) -> list[str]:
        """Return all tokens up to the next `&&`, `||` or closing bracket of this level, and move past them."""
        words: list[str] = []
        depth = 0
        while self._position < len(self._tokens):
            word = self._tokens[self._position]
            if depth == 0 and word in ("&&", "||", ")"):
                break
            depth += (word == "(") - (word == ")")
            words.append(word)
            self._position += 1
        return words

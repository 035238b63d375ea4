"""Evaluate the preprocessor's conditions under two assignments at once: all unknown names are true, or all are false.

A set of assignments is a sum of the bits `ALL_TRUE` and `ALL_FALSE`. Correct code compiles under every assignment, so
its brackets balance under these two, whatever the names mean.
"""

import re
from functools import lru_cache, reduce

from seqforge_code_structure.defects import DEEPEST_NESTING

ALL_TRUE = 1
ALL_FALSE = 2
BOTH = ALL_TRUE | ALL_FALSE
NEITHER = 0

LONGEST_CONDITION = 1_000
"""Length limit of the conditions that are parsed, in characters. A longer one counts as one unknown name."""

_DEEPEST_EXPRESSION = 100
"""Number of nested operators of which the inner ones count as an unknown name."""

CONDITIONAL = frozenset({"if", "ifdef", "ifndef", "elif", "elifdef", "elifndef", "else", "endif"})
_DIRECTIVE = re.compile(r"\n?[ \t]*+#[ \t]*+(\w*+)")
_NOT_CODE = re.compile(r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/|//.*+|\\\r?\n", re.DOTALL)
_TOKENS = re.compile(r"&&|\|\||!(?!=)|[()]|(?:[^&|!()]|!=|&(?!&)|\|(?!\|))++", re.DOTALL)
_NEGATED_COMPARISON = re.compile(r"!=|(?<!<)<(?!<)")
_NAME_TEST = re.compile(r"(?:defined|IS_ENABLED|IS_BUILTIN|IS_MODULE|IS_REACHABLE)[( ]*(\w+)[ )]*")
_KNOWN = {"0": NEITHER, "1": BOTH, "__cplusplus": NEITHER, "__ASSEMBLY__": NEITHER, "__ASSEMBLER__": NEITHER}
"""Assignments under which numbers, and names that no C compiler defines, are true."""


class Conditions:
    """The open conditions at the current position, which moves through a text.

    An `#else` or `#endif` without an `#if` is ignored.

    Attributes:
        compiled: Assignments under which the text is compiled at this position.
    """

    def __init__(self) -> None:
        self.compiled = BOTH
        self._levels: list[tuple[int, int]] = []
        """For each open `#if`, the assignments that compile the text around it, and those of its branches so far."""
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
            self._levels.append((self.compiled, true))
            self.compiled &= true
        elif self._deeper:
            self._deeper -= name == "endif"
        elif not self._levels:
            return
        elif name == "endif":
            self.compiled, _ = self._levels.pop()
        else:
            outside, taken = self._levels[-1]
            true = (BOTH if name == "else" else evaluate_condition(name.removeprefix("el"), condition)) & ~taken
            self._levels[-1] = outside, taken | true
            self.compiled = outside & true


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
    return _evaluate([token for raw in _TOKENS.findall(plain) if (token := raw.strip())])


def _evaluate(tokens: list[str], depth: int = 0) -> int:
    """Return the assignments under which an expression is true. All between `||`, `&&`, `!` and brackets is a name."""
    if depth > _DEEPEST_EXPRESSION:
        return ALL_TRUE
    for operator, combine in (("||", int.__or__), ("&&", int.__and__)):
        operands = _split(tokens, operator)
        if len(operands) > 1:
            return reduce(combine, (_evaluate(operand, depth + 1) for operand in operands))
    if tokens[:1] == ["!"]:
        return BOTH & ~_evaluate(tokens[1:], depth + 1)
    if len(tokens) > 1 and tokens[0] == "(" and tokens[-1] == ")":
        return _evaluate(tokens[1:-1], depth + 1)
    plain = " ".join(tokens)
    if test := _NAME_TEST.fullmatch(plain):
        plain = test[1]
    return _KNOWN.get(plain, ALL_FALSE if _NEGATED_COMPARISON.search(plain) else ALL_TRUE)


def _split(tokens: list[str], operator: str) -> list[list[str]]:
    """Split an expression at an operator that is outside of brackets."""
    parts: list[list[str]] = [[]]
    depth = 0
    for word in tokens:
        depth += (word == "(") - (word == ")")
        if word == operator and depth == 0:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts

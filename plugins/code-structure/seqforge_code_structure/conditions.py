"""Follow the preprocessor's conditions, as if every name in them that is not known were true."""

import ast
import re
import warnings
from functools import lru_cache

LONGEST_CONDITION = 1_000
"""Length limit of the conditions that are parsed, in characters. A longer one counts as one unknown name."""

CONDITIONAL = frozenset({"if", "ifdef", "ifndef", "elif", "elifdef", "elifndef", "else", "endif"})
_DIRECTIVE = re.compile(r"\n?[ \t]*+#[ \t]*+(\w*+)")
_NOT_CODE = re.compile(r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/|//.*+|\\\r?\n", re.DOTALL)
_OPERATORS = {r"&&": " and ", r"\|\|": " or ", r"!(?!=)": " not ", r"\bdefined\b|\b(\d++)[uUlL]++\b": r" \1 "}
_FALSE = frozenset({"0", "__cplusplus", "c_plusplus", "__ASSEMBLY__", "__ASSEMBLER__"})
"""Names that no C compiler defines."""


class Conditions:
    """The open conditions at the current position, which moves through a text.

    An `#else` or `#endif` without an `#if` is ignored.

    Attributes:
        compiled: Whether the text is compiled at this position.
    """

    def __init__(self) -> None:
        self.compiled = True
        self._levels: list[tuple[bool, bool]] = []
        """For each open `#if`, whether the text around it is compiled, and whether one of its branches so far is."""

    def follow(self, text: str, start: int, stop: int) -> str:
        """Move past a directive, which may begin with a line break, and return its name, such as `define`, or ""."""
        match = _DIRECTIVE.match(text, start, stop)
        name = match[1] if match else ""
        if match and name in CONDITIONAL:
            self._change(name, text[match.end() : min(stop, match.end() + LONGEST_CONDITION + 1)], text, stop)
        return name

    def _change(self, name: str, condition: str, text: str, stop: int) -> None:
        if name in ("if", "ifdef", "ifndef"):
            guard = name == "ifndef" and _defines_next(text, stop, condition)
            holds = guard or evaluate_condition(name, condition)
            self._levels.append((self.compiled, holds))
            self.compiled &= holds
        elif not self._levels:
            return
        elif name == "endif":
            self.compiled, _ = self._levels.pop()
        else:
            outside, taken = self._levels[-1]
            holds = not taken and (name == "else" or evaluate_condition(name.removeprefix("el"), condition))
            self._levels[-1] = outside, taken or holds
            self.compiled = outside and holds


def _defines_next(text: str, position: int, condition: str) -> bool:
    """Return whether `#define X` follows `#ifndef X`, as in an include guard or a default value."""
    name = re.match(r"\s*(\w+)", condition)
    follows = re.compile(r"\s*#[ \t]*define[ \t]+(\w+)").match(text, position, position + LONGEST_CONDITION)
    return bool(name and follows and name[1] == follows[1])


@lru_cache(maxsize=4096)
def evaluate_condition(name: str, condition: str) -> bool:
    """Return whether the condition of an `if`, `ifdef` or `ifndef` is true.

    A comparison counts as an unknown name. `!=` and `<` count as the negations of `==` and `>=`.
    """
    plain = _NOT_CODE.sub(" ", condition).strip()
    if name != "if":
        word = plain.partition(" ")[0]
        return (word not in _FALSE) == (name == "ifdef")
    for operator, meaning in _OPERATORS.items():
        plain = re.sub(operator, meaning, plain)
    try:
        with warnings.catch_warnings(action="ignore"):  # A condition of a sample may be anything.
            return len(condition) > LONGEST_CONDITION or _evaluate(ast.parse(plain.strip(), mode="eval").body)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return True


def _evaluate(node: ast.expr) -> bool:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return all(map(_evaluate, values))
        case ast.BoolOp(values=values):
            return any(map(_evaluate, values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _evaluate(operand)
        case ast.Compare(ops=[ast.NotEq() | ast.Lt(), *_]):
            return False
        case ast.Constant(value=value):
            return bool(value)
        case _:
            return ast.unparse(node) not in _FALSE

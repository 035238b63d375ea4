"""Read the code of a text that is compiled: all else becomes spaces, and literals are emptied.

The code is as long as the text, with line breaks at the same positions, so positions in one are valid in the other. The
preprocessor's conditions are followed as if every name in them that is not known were true.
"""

import ast
import re
import warnings
from bisect import bisect_left
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from seqforge_code_structure.structure import DIRECTIVES, TokenKind, may_be_cut, scan_text

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


_QUOTES: dict[int, tuple[int, int]] = {
    TokenKind.COMMENT: (0, 0),
    TokenKind.LINE_COMMENT: (0, 0),
    TokenKind.UNTERMINATED_COMMENT: (0, 0),
    TokenKind.STRING: (1, 1),
    TokenKind.CHARACTER: (1, 1),
    TokenKind.UNTERMINATED_STRING: (1, 0),
}
"""Number of characters at the beginning and at the end of a comment or literal that remain."""
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_TO_SPACES = bytes(byte if byte == 0x0A else 0x20 for byte in range(256))


class Directive(NamedTuple):
    """A directive.

    Attributes:
        start: Position of its `#`.
        stop: Position after its last character.
        name: Its name, such as `define`, or "".
        compiled: Whether the text after it is compiled.
    """

    start: int
    stop: int
    name: str
    compiled: bool


class CompiledCode(NamedTuple):
    """The code that is compiled if every condition of the preprocessor is true.

    Attributes:
        code: ASCII code, with one byte for each character of the text. Other letters become `u`.
        tokens: Kind, start and end of each comment, literal, and part of one, that is compiled.
        directives: The directives, in the order of the text.
        dead: Start and end of each part that is not compiled.
    """

    code: bytes
    tokens: list[tuple[int, int, int]]
    directives: list[Directive]
    dead: list[tuple[int, int]]

    def find_directives(self, start: int, stop: int) -> list[Directive]:
        """Return the directives between two positions."""
        first, last = (bisect_left(self.directives, place, key=itemgetter(0)) for place in (start, stop))
        return self.directives[first:last]

    def has_condition(self, start: int, stop: int) -> bool:
        """Return whether perhaps only one of two positions is compiled: there is an `#if` or `#else` between them."""
        return any(directive.name in CONDITIONAL for directive in self.find_directives(start, stop))

    def find_dead(self, text: str, start: int, stop: int) -> str:
        """Return the text between two positions that is not compiled."""
        first, last = (bisect_left(self.dead, place, key=itemgetter(0)) for place in (start, stop))
        parts = self.dead[max(0, first - 1) : last]
        return "\n".join(text[max(begin, start) : min(end, stop)] for begin, end in parts)


def blank(code: bytes) -> bytes:
    """Replace every byte except line breaks with a space."""
    return code.translate(_TO_SPACES)


@lru_cache(maxsize=1)  # All analyses of a text need the same code.
def read_code(text: str) -> CompiledCode:
    """Return the compiled code of a text, in linear time."""
    plain = text if text.isascii() else _NOT_ASCII.sub(lambda one: "u" if f"a{one[0]}".isidentifier() else "?", text)
    code = bytearray(plain.encode("ascii", "replace"))
    tokens: list[tuple[int, int, int]] = []
    directives: list[Directive] = []
    dead: list[tuple[int, int]] = []

    def clear(start: int, stop: int) -> None:
        code[start:stop] = code[start:stop].translate(_TO_SPACES)

    conditions = Conditions()
    end_of_directive = 0
    for kind, start, stop in scan_text(text, brackets=False):
        if kind in DIRECTIVES:
            clear(start, stop)
            if not conditions.compiled:
                dead.append((end_of_directive, start))
            name = conditions.follow(text, start, stop)
            directives.append(Directive(text.index("#", start), stop, name, conditions.compiled))
            end_of_directive = stop
        elif conditions.compiled:
            tokens.append((kind, start, stop))
            if kind == TokenKind.UNTERMINATED_CHARACTER and may_be_cut(text, start):
                clear(start, len(text))
                break
            if kind in _QUOTES:
                before, after = _QUOTES[kind]
                clear(start + before, stop - after)
    if not conditions.compiled:
        dead.append((end_of_directive, len(text)))
    for start, stop in dead:
        clear(start, stop)
    return CompiledCode(bytes(code), tokens, directives, dead)

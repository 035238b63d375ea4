"""Read the code of a text that is compiled: all else becomes spaces, and literals are emptied.

The code is as long as the text, with line breaks at the same positions, so positions in one are valid in the other.
"""

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from seqforge_code_structure.conditions import CONDITIONAL, Conditions
from seqforge_code_structure.structure import TokenKind, may_be_cut, scan_literals

_DIRECTIVES = (int(TokenKind.DIRECTIVE), int(TokenKind.OPENING_DIRECTIVE))
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


@dataclass(frozen=True, slots=True)
class CompiledCode:
    """The code that is compiled if every condition of the preprocessor is true.

    Attributes:
        code: ASCII code, with one byte for each character of the text. Other letters become `u`.
        tokens: Kind, start and end of each comment, literal, and part of one, that is compiled.
        directives: The directives, in the order of the text.
        dead: Start and end of each part that is not compiled.
    """

    code: bytes
    tokens: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    directives: list[Directive] = field(default_factory=list[Directive])
    dead: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

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
    plain = text if text.isascii() else _NOT_ASCII.sub(_replace_character, text)
    code = plain.encode("ascii", "replace")
    conditions = Conditions()
    found = CompiledCode(b"")
    parts: list[bytes] = []
    position = 0
    live = True
    for match in scan_literals(text):
        kind = match.lastindex or int(TokenKind.END)
        start, stop = match.span(kind)
        if kind in _DIRECTIVES:
            name = conditions.follow(text, start, stop)
            found.directives.append(Directive(text.index("#", start), stop, name, conditions.compiled))
            if live:
                parts += code[position:start], blank(code[start:stop])
            else:
                found.dead.append((position, start))
                parts.append(blank(code[position:stop]))
            position = stop
            live = conditions.compiled
        elif live and kind != TokenKind.END:
            found.tokens.append((kind, start, stop))
            if kind == TokenKind.UNTERMINATED_CHARACTER and may_be_cut(text, start):
                code = code[:start] + blank(code[start:])
                break
            if kind in _QUOTES:
                before, after = _QUOTES[kind]
                parts += code[position : start + before], blank(code[start + before : stop - after])
                position = stop - after
    if live:
        parts.append(code[position:])
    else:
        found.dead.append((position, len(text)))
        parts.append(blank(code[position:]))
    return CompiledCode(b"".join(parts), found.tokens, found.directives, found.dead)


def _replace_character(match: re.Match[str]) -> str:
    return "u" if f"a{match[0]}".isidentifier() else "?"

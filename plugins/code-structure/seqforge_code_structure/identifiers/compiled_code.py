"""Extract the code that is compiled: comments, directives and dead branches become spaces, and literals are emptied."""

import re
from dataclasses import dataclass

from seqforge_code_structure.conditions import Conditions
from seqforge_code_structure.identifiers.macros import Macros
from seqforge_code_structure.structure import TokenKind, scan_literals

_DIRECTIVES = (TokenKind.DIRECTIVE, TokenKind.OPENING_DIRECTIVE)
_COMMENTS = (TokenKind.COMMENT, TokenKind.LINE_COMMENT, TokenKind.UNTERMINATED_COMMENT)
_LITERALS = (TokenKind.STRING, TokenKind.CHARACTER, TokenKind.UNTERMINATED_STRING)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_TO_SPACES = bytes(byte if byte == 0x0A else 0x20 for byte in range(256))


@dataclass(frozen=True, slots=True)
class CompiledCode:
    """The compiled code of a text.

    Attributes:
        code: ASCII code, with one byte for each character of the text and line breaks at the same positions. Other
            letters become `u`.
        macros: Macros that the text defines.
        dead: The code that is not compiled.
    """

    code: bytes
    macros: Macros
    dead: str


def blank(code: bytes) -> bytes:
    """Replace every byte except line breaks with a space."""
    return code.translate(_TO_SPACES)


def extract_compiled_code(text: str) -> CompiledCode:
    """Return the code that is compiled if every condition of the preprocessor is true."""
    plain = text if text.isascii() else _NOT_ASCII.sub(_replace_character, text)
    code = plain.encode("ascii", "replace")
    conditions = Conditions()
    macros = Macros()
    parts, dead = list[bytes](), list[str]()
    position = 0
    live = True
    for match in scan_literals(text):
        kind = match.lastindex or TokenKind.END
        start, stop = match.span(kind)
        if kind in _DIRECTIVES:
            if conditions.follow(text, start, stop) == "define":
                macros.read(text, start, stop)
            if live:
                parts += code[position:start], blank(code[start:stop])
            else:
                dead.append(text[position:start])
                parts.append(blank(code[position:stop]))
            position = stop
            live = conditions.compiled
        elif live and (kind in _COMMENTS or kind in _LITERALS):
            quotes = int(kind in _LITERALS)
            start, stop = start + quotes, max(start + quotes, stop - quotes)
            parts += code[position:start], blank(code[start:stop])
            position = stop
    if live:
        parts.append(code[position:])
    else:
        dead.append(text[position:])
        parts.append(blank(code[position:]))
    return CompiledCode(b"".join(parts), macros, "\n".join(dead))


def _replace_character(match: re.Match[str]) -> str:
    return "u" if f"a{match[0]}".isidentifier() else "?"

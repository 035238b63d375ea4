"""Extract the code that is compiled: comments, directives and dead branches become spaces, and literals are emptied."""

import re
from typing import NamedTuple

from seqforge_code_structure.conditions import ALL_TRUE, Conditions
from seqforge_code_structure.structure import COMMENT, DIRECTIVE, LINE_COMMENT, STRING, UNTERMINATED_STRING

_COMMENT, _LITERAL, _DIRECTIVE = 1, 2, 3
# Literals have a limited length, so that the time stays linear for texts with many quotation marks.
_CHARACTER = r"'(?:[^'\\\n]|\\(?:\r\n|[\s\S])){1,12}+'"
_NOT_CODE = re.compile(
    rf"({COMMENT}|{LINE_COMMENT}|/\*[\s\S]*+)|({STRING}|{_CHARACTER}|{UNTERMINATED_STRING})|(^{DIRECTIVE})",
    re.MULTILINE,
)
_WORD = re.compile(r"[A-Za-z_]\w*+")
_LABEL = re.compile(r"^[ \t]*+([A-Za-z_]\w*+)[ \t]*+:", re.MULTILINE)
_DEFINED = re.compile(r"[ \t]*+#[ \t]*+define[ \t]++(\w++)")
_TO_SPACES = bytes(byte if byte == 0x0A else 0x20 for byte in range(256))


class CompiledCode(NamedTuple):
    """The compiled code of a text.

    Attributes:
        code: ASCII code, with one byte for each character of the text and line breaks at the same positions.
        defined: Names of macros that the text defines.
        mentioned: Words in directives and in dead branches, which are not compiled if every condition is true.
        hidden_labels: Labels that dead branches define.
    """

    code: bytes
    defined: set[str]
    mentioned: set[str]
    hidden_labels: set[str]


def blank(code: bytes) -> bytes:
    """Replace every byte except line breaks with a space."""
    return code.translate(_TO_SPACES)


def extract_compiled_code(text: str) -> CompiledCode:
    """Return the code that is compiled if every condition of the preprocessor is true."""
    code = text.encode("ascii", "replace")
    conditions = Conditions()
    defined: set[str] = set()
    mentioned: set[str] = set()
    labels: set[str] = set()
    parts: list[bytes] = []
    position = 0
    dead = False
    for match in _NOT_CODE.finditer(text):
        start, stop = match.span()
        kind = match.lastindex
        if kind == _DIRECTIVE:
            mentioned.update(_WORD.findall(text, start, stop))
            if conditions.follow(text, start, stop) == "define" and (found := _DEFINED.match(text, start)):
                defined.add(found[1])
            if dead:
                mentioned.update(_WORD.findall(text, position, start))
                labels.update(_LABEL.findall(text, position, start))
                parts.append(blank(code[position:stop]))
            else:
                parts += code[position:start], blank(code[start:stop])
            position = stop
            dead = not conditions.compiled & ALL_TRUE
        elif not dead:
            inside = start + 1, max(start + 1, stop - 1)
            if kind == _COMMENT:
                inside = start, stop
            parts += code[position : inside[0]], blank(code[inside[0] : inside[1]])
            position = inside[1]
    if dead:
        mentioned.update(_WORD.findall(text, position))
        labels.update(_LABEL.findall(text, position))
    parts.append(blank(code[position:]) if dead else code[position:])
    return CompiledCode(b"".join(parts), defined, mentioned, labels)

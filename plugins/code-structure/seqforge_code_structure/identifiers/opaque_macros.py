"""Remove what does not parse because it belongs to a macro and is no expression.

The rules of `rewriting` know which arguments the macros of the kernel take. This module needs no such knowledge, and
applies to units only that do not parse: it removes the arguments of macros that the text itself defines, those of
macros in capital letters that cannot be expressions, those of calls at the top level, and elements of an initializer
that is in another file, which includes this one.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from seqforge_code_structure.defects import DEEPEST_NESTING
from seqforge_code_structure.identifiers.compiled_code import blank

_DEFINITION = re.compile(r"^[ \t]*+#[ \t]*+define[ \t]++([A-Za-z_]\w*+)(\()?[ \t]*+(.*+)", re.MULTILINE)
_EXPRESSION = re.compile(r"[\w(\"'&~!-][^;{]*+")
_KEYWORD = re.compile(r"(?:__\w++|static|inline|extern|const|asm|case|default|goto|return|if|do|while|for)\b")
_WORD = re.compile(rb"\b[A-Za-z_]\w*+")
_OPENING = re.compile(rb"[ \t]*+\(")
_BRACKET = re.compile(rb"[()]")
_ELEMENTS = re.compile(rb"\s*+(?:\{|[A-Z_]\w*+\()[\s\S]*,\s*+\Z")
_NO_EXPRESSION = re.compile(rb",\s*+\)|[;{}]|[(,]\s*+\.\w++\s*+=|\)\s*+\"|\b(?:goto|return|if|for|while)\b")
_STATEMENT = re.compile(rb";[ \t]*+\n\s*+\)\Z")
_LONGEST_LINE = 80
"""Number of characters in which the end of a statement is searched for, so that the time stays linear."""
_NEXT = re.compile(rb"\s*+[\w{}!~\"]")


class TextMacros(NamedTuple):
    """The macros that a text defines.

    Attributes:
        functions: Names of those with parameters.
        fragments: Names of those without parameters that are no expressions.
    """

    functions: frozenset[bytes]
    fragments: frozenset[bytes]


@lru_cache(maxsize=1)  # All units of a text need the same macros.
def find_text_macros(text: str) -> TextMacros:
    """Return the macros that a text defines."""
    functions: set[bytes] = set()
    fragments: set[bytes] = set()
    for name, parameters, body in _DEFINITION.findall(text):
        if parameters:
            functions.add(name.encode("ascii", "replace"))
        elif not _EXPRESSION.fullmatch(body) or _KEYWORD.match(body):
            fragments.add(name.encode("ascii", "replace"))
    return TextMacros(frozenset(functions), frozenset(fragments))


def remove_opaque_code(code: bytes, macros: TextMacros) -> bytes:
    """Return the code of a unit in which what belongs to macros and is no expression is replaced by spaces.

    Args:
        code: The code of a unit.
        macros: The macros that its text defines.
    """
    if _ELEMENTS.match(code):
        return blank(code)
    ends = _match_brackets(code)
    parts: list[bytes] = []
    position = 0
    for word in _WORD.finditer(code):
        if word.start() >= position:
            start, stop = _find_opaque(code, word, macros, ends)
            if start < stop:
                parts += code[position:start], _replace(code, start, stop)
                position = stop
    return b"".join([*parts, code[position:]])


def _find_opaque(code: bytes, word: re.Match[bytes], macros: TextMacros, ends: dict[int, int]) -> tuple[int, int]:
    """Return the start and the end of what to remove of the macro at a word, or an empty range."""
    name, start, stop = word[0], *word.span()
    if name in macros.fragments:
        return start, stop
    opening = _OPENING.match(code, stop)
    end = ends.get(opening.end()) if opening else None
    if opening is None or end is None:
        return stop, stop
    if name in macros.functions:
        # Before another word, it is a statement without a semicolon, or an annotation.
        return (start, end) if _NEXT.match(code, end) else (opening.end(), end - 1)
    # Functions of any name take no statements.
    statement = _STATEMENT.search(code, max(opening.end(), end - _LONGEST_LINE), end) is not None
    alone = not code[:start].strip() and not code[end:].strip(b"; \t\r\n")
    opaque = alone or statement or (name.isupper() and _NO_EXPRESSION.search(code, opening.start(), end))
    return (opening.end(), end - 1) if opaque else (stop, stop)


def _replace(code: bytes, start: int, stop: int) -> bytes:
    """Return spaces, with a semicolon if this is the statement of a loop or condition."""
    controlled = code[max(0, start - _LONGEST_LINE) : start].rstrip().endswith((b")", b"else"))
    return b";" * controlled + blank(code[start + controlled : stop])


def _match_brackets(code: bytes) -> dict[int, int]:
    """Return the position after each round bracket that is opened, and the position after the one that closes it."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for bracket in _BRACKET.finditer(code):
        if bracket[0] == b"(":
            opened.append(bracket.end())
        elif opened:
            start = opened.pop()
            if len(opened) < DEEPEST_NESTING:
                ends[start] = bracket.end()
    return ends

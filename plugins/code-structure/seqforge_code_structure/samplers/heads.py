"""The grammar of the heads of units: a type, a name and parameters, or a macro with its arguments."""

from __future__ import annotations

import re
from functools import lru_cache

from seqforge_code_structure.samplers.names import BASIC_TYPES, FURTHER_TYPES, LETTERS, NAME_CHARACTERS, SIZES, TAGS

_QUALIFIER = re.compile(r"static|inline|extern|const|volatile|register|typedef|noinline|asmlinkage|__\w+")
_TOKEN = re.compile(r"\w+|\*")
_WHITE = " \t\n/"
_INITIALIZER = NAME_CHARACTERS + " \t+-*&|<>=!?:~.,()[];\"'"
"""Characters of an initializer without braces. It has no line breaks, so that it ends soon."""


@lru_cache(maxsize=16_384)
def head_characters(code: str) -> str | None:
    """Return the characters that may follow outside of braces, except `{`, or None if there is no constraint.

    A `;`, and a bracket that closes another, is always allowed.

    Args:
        code: Code of the unit so far, without comments and directives, from its last `}` on.
    """
    before, opened, inside = code.partition("(")
    if "=" in before:
        return _INITIALIZER
    if "[" in before:
        return None
    typed = code.startswith("}")
    before = before.removeprefix("}")
    if not opened:
        found = _declaration_characters(before, typed)
        words = _TOKEN.findall(before)
        single = len(words) == 1 and not before[0].isspace() and before[-1] in NAME_CHARACTERS
        return (
            found
            + ";"
            + ("(" if single or _has_name(before, typed) else "")
            + ("[=" if _has_name(before, typed) else "")
        )
    is_macro = len(_TOKEN.findall(before)) == 1
    depth = inside.count("(") - inside.count(")")
    if depth < 0:
        return " \t\n/;" + ("=" if is_macro else "")
    if is_macro:
        return None
    parameter = inside.rpartition(",")[2]
    if "[" in parameter:
        return NAME_CHARACTERS + "]),"
    found = _declaration_characters(parameter, typed=False) + ")"
    if "*" in parameter or _TOKEN.search(parameter):
        found += ","
    return found + ("[" if _has_name(parameter, typed=False) else "")


def _read(text: str, typed: bool) -> tuple[str, str]:
    """Return what the complete words and stars of a declaration have reached, and the incomplete word at the end."""
    tokens = _TOKEN.findall(text)
    last = tokens.pop() if tokens and text[-1] in NAME_CHARACTERS else ""
    state = "typed" if typed else "start"
    for token in tokens:
        state = _advance(state, token)
    return state, last


def _advance(state: str, word: str) -> str:
    if word == "*":
        return "star" if state in ("typed", "sized", "star") else "wrong"
    if _QUALIFIER.fullmatch(word):
        return state
    match state:
        case "start":
            return "tag" if word in TAGS else "sized" if word in SIZES else "typed"
        case "sized" if word in FURTHER_TYPES:
            return "sized" if word in SIZES else "typed"
        case "tag":
            return "typed"
        case "typed" | "sized" | "star" if word not in BASIC_TYPES and word not in TAGS:
            return "named"
        case _:
            return "wrong"


def _has_name(text: str, typed: bool) -> bool:
    state, last = _read(text, typed)
    return (_advance(state, last) if last else state) == "named"


def _declaration_characters(text: str, typed: bool) -> str:
    """Return the characters that may continue the words of a declaration."""
    state, last = _read(text, typed)
    if last:
        after = _advance(state, last)
        return NAME_CHARACTERS + ("" if after == "wrong" else _WHITE + ("*" if after in ("typed", "sized") else ""))
    if state in ("named", "wrong"):
        return _WHITE
    return LETTERS + _WHITE + ("*" if state in ("typed", "sized", "star") else "")

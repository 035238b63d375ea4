"""The grammar of the heads of units: a type, a name and parameters, or a macro with its arguments."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import cast

from seqforge_code_structure.samplers.name_lists import LETTERS, NAME_CHARACTERS
from seqforge_code_structure.samplers.names import BASIC_TYPES, FURTHER_TYPES, SIZES, STATEMENTS, TAGS

_QUALIFIER = re.compile(r"static|inline|extern|const|volatile|register|typedef|noinline|asmlinkage|__\w+")
_NEVER = STATEMENTS | {"else", "sizeof"}
_TOKEN = re.compile(r"\w+|\*")
_SPACE = " \t/"
"""White space in one line, and the first character of a comment."""


@lru_cache(maxsize=16_384)
def head_characters(code: str) -> str:
    """Return the characters that may follow outside of braces, except `{` and a bracket that closes another.

    Args:
        code: Code of the unit so far, without comments.
    """
    before, opened, inside = code.partition("(")
    words = _TOKEN.findall(before)
    if not opened:
        found = _declaration_characters(before)
        if _has_name(before):
            found += ";" if "typedef" in words else ";([="
        elif len(words) == 1 and before[-1] in NAME_CHARACTERS and words[0] not in _NEVER:
            found += "("
        elif len(words) > 1 and words[-2] in TAGS:
            found += ";"
        return found
    if inside.count("(") < inside.count(")"):
        return " \t\n/;"
    argument = inside.rpartition(",")[2]
    if len(words) == 1:
        return _argument_characters(argument)
    if "[" in argument:
        size = argument.rpartition("[")[2]
        return "," if "]" in size else "0123456789"
    found = _declaration_characters(argument) + "\n"
    if "*" in argument or _TOKEN.search(argument):
        found += ","
    return found + ("[" if _has_name(argument) else "")


def closing_character(code: str) -> str:
    """Return the first character of a text that ends a head outside of brackets."""
    following = head_characters(code)
    if ";" in following:
        return ";"
    return " " if code[-1] in NAME_CHARACTERS and " " in following else "_"


def _argument_characters(argument: str) -> str:
    """Return the characters that may continue an argument of a macro: a word, a type, a number or a string."""
    text = argument.strip()
    if not text:
        return NAME_CHARACTERS + ' \t\n/"'
    last = argument[-1]
    if last == '"':
        return ' \t\n/,"'
    if text[0].isdigit():
        return "0123456789" * (last in NAME_CHARACTERS) + " \t\n/,"
    if last in NAME_CHARACTERS:
        return NAME_CHARACTERS + " \t\n/,"
    words = text.split()
    return " \t\n/," + (LETTERS if len(words) == 1 and words[0] in TAGS else "")


def _read(text: str) -> tuple[str, str]:
    """Return what the complete words and stars of a declaration have reached, and the incomplete word at the end.

    They have reached the `start`, a `tag` such as `struct`, the type (`typed`, or `sized` if further words may follow),
    a `star` after it, or the name (`named`). Words that are no declaration are `wrong`.
    """
    complete = text.rstrip(NAME_CHARACTERS)
    return _read_complete(complete), text[len(complete) :]


@lru_cache(maxsize=1024)
def _read_complete(text: str) -> str:
    state = "start"
    for token in cast("list[str]", _TOKEN.findall(text)):
        state = _advance(state, token)
    return state


def _advance(state: str, word: str) -> str:
    """Return what a declaration has reached after another word or star."""
    if word == "*":
        return "star" if state in ("typed", "sized", "star") else "wrong"
    if _QUALIFIER.fullmatch(word):
        return state
    if word in _NEVER:
        return "wrong"
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


def _has_name(text: str) -> bool:
    state, last = _read(text)
    return (_advance(state, last) if last else state) == "named"


def _declaration_characters(text: str) -> str:
    """Return the characters that may continue the words of a declaration."""
    state, last = _read(text)
    if last:
        after = _advance(state, last)
        return NAME_CHARACTERS + ("" if after == "wrong" else _SPACE + ("*" if after in ("typed", "sized") else ""))
    if state in ("named", "wrong"):
        return _SPACE
    return LETTERS + _SPACE + ("*" if state in ("typed", "sized", "star") else "")

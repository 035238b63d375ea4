"""Read the rules that rewrite C of the Linux kernel: their form, patterns that they share, and their replacements.

A replacement has as many bytes as its match, and the same line breaks.
"""

import re
import tomllib
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from seqforge_code_structure.identifiers.compiled_code import blank

Match = re.Match[bytes]


class Rewrite(NamedTuple):
    """A rule of the rewriting, from `rewrites.toml`, which describes its attributes.

    The pattern is compiled when code contains one of the hints, so that the command starts quickly. If `by` is a
    function, it returns the replacement of a match.
    """

    hints: tuple[bytes, ...]
    pattern: bytes
    by: bytes | Callable[[Match], bytes] = b""
    always: bool = False

    def apply(self, code: bytes) -> bytes:
        """Return the code in which every match is replaced."""
        for hint in self.hints:
            if hint in code:
                pattern = _compile(self.pattern)
                by = self.by
                return pattern.sub(by if callable(by) else _replace_by(by, "name" in pattern.groupindex), code)
        return code


@cache
def _compile(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.MULTILINE)


@cache
def _replace_by(text: bytes, named: bool) -> Callable[[Match], bytes]:
    group = "name" if named else 0

    def replace(match: Match) -> bytes:
        whole, (begin, _), (start, stop) = match[0], match.span(), match.span(group)
        replaced = whole[start - begin : stop - begin]
        if len(replaced.partition(b"\n")[0]) < len(text):
            return whole
        return whole[: start - begin] + text + blank(replaced[len(text) :]) + whole[stop - begin :]

    return replace


ARGUMENTS = rb"\((?:[^()]++|\((?:[^()]++|\((?:[^()]++|\([^()]*+\))*+\))*+\))*+\)"
"""Balanced brackets, nested up to four deep."""

ARGUMENT = rb"(?:[^(),;{}]++|" + ARGUMENTS + rb")++"
"""Argument of a call."""

MACRO = rb"[A-Z_][A-Z0-9_]++"
"""Name in capital letters."""

BASIC = (
    rb"(?:unsigned|signed|long|short|int|char|void|_?[Bb]ool|float|double|__[us](?:8|16|32|64)|[us](?:8|16|32|64))\b"
)
TYPE = (
    rb"(?:(?P<record>(?:const\s++)?(?:(?:struct|union|enum)\s++\w++|(?:__)?typeof(?:__)?\s*+"
    + ARGUMENTS
    + rb")(?:\s*+\*)*+)"
    rb"|(?:const\s++)?" + BASIC + rb"(?:\s++" + BASIC + rb")*+(?:\s*+\*)*+"
    rb"|(?:const\s++)?[A-Za-z_]\w*+(?:\s*+\*)++)"
)
MEMBER = (
    rb"(?P<member>(?P<comma>\s*+,\s*+)(?P<path>[A-Za-z_](?:\w|\.|->)*+)(?:\[[^][,]*+\]|\.\w++|->\w++)*+\s*+(?=\)))?"
)
ANNOTATION = (
    rb"__(?<!\w__)(?!(?:[us]|[bl]e)\d|\w*+(?<=_t)\b|int128|typeof|restrict|inline|extension|asm|attribute)[a-z]\w*+"
)
"""A name such as `__init`, but no type such as `__be32`."""

_BRACKET = re.compile(rb"[()]")
_COMMENT = 8 * b" " + b")"
"""End of a call whose last argument is a comment, which is now spaces."""
# The searches before a match are limited, so that the time stays linear: these are numbers of bytes.
_LONGEST_CALL = 400
_LONGEST_NAME = 80
_NO_TYPES = (b"return", b"else", b"case", b"do", b"goto")
_TYPE_WORD = re.compile(rb"\**(?:[A-Za-z_]\w*+\**)?")
_CALLEE = re.compile(
    rb"(?<!\w)(?!(?:sizeof|typeof|__typeof__|__typeof|alignof|_Alignof|__alignof__|if|else|do|while|for|switch|case|return)\b)"
    rb"[A-Za-z_]\w*+\s*+\Z"
)
_MACRO_CALLEE = re.compile(rb"(?<!\w)[A-Z_][A-Z0-9_]++\s*+\Z")
_UNNAMED_BIT_FIELD = re.compile(rb"[;{]\s*+(?:const\s++)?" + BASIC + rb"(?:\s++" + BASIC + rb")*+\s*+\Z")
_DECLARATION_WORD = re.compile(rb"[A-Za-z_]\w*+")
_SPECIFIERS = frozenset((b"static", b"const", b"extern", b"volatile", b"register", b"inline"))
_BASIC = re.compile(BASIC)
_BEFORE_ADDRESS = re.compile(rb"(?:[=,({\[?:]|(?<!-)-|\breturn)\s*+\Z")


def rewrite_declaring_loop(match: Match) -> bytes:
    """Write the loop as declarations of a structure, whose bit-field uses one name, and of a variable."""
    head = b"struct{int x:"
    end = b";" + match["gap"][:-1] + b"}"
    return head + blank(match["head"][len(head) :]) + match["over"] + end + match["variable"] + b";"


def rewrite_list_loop(match: Match) -> bytes:
    """Write the loop as a `while` without its last argument."""
    return b"while" + blank(match["name"][5:]) + match["arguments"] + blank(match["member"])


def remove_member(match: Match) -> bytes:
    """Write a zero for the name of a member, the group `name` or `last`."""
    whole, begin = match[0], match.start()
    start, stop = (position - begin for position in match.span("name" if match["name"] else "last"))
    return whole[:start] + b"0" + blank(whole[start + 1 : stop]) + whole[stop:]


def rewrite_type(match: Match) -> bytes:
    """Write a zero for a type, and for the name of a member after it, if they are arguments of a call."""
    opening, kind = match["opening"], match["type"]
    if not _is_argument(match.string, match.start("opening")):
        return match[0]
    member = match["member"]
    if member is None or match["record"] is None:
        return opening + b"0" + blank(kind[1:]) + (member or b"")
    comma, path = match["comma"], match["path"]
    return opening + b"0" + blank(kind[1:]) + comma + b"0" + blank(path[1:]) + member[len(comma + path) :]


def rewrite_declared_variable(match: Match) -> bytes:
    """Write the macro as a declaration of the type int. The name stays in its place."""
    before, name = match["before"], match["name"]
    return b"int" + blank(before[3:]) + name + blank(match[0][len(before + name) :])


def name_bit_field(match: Match) -> bytes:
    """Write a name for a colon and a width, if only a type is before the colon."""
    position = match.start()
    named = not _UNNAMED_BIT_FIELD.search(match.string, max(0, position - _LONGEST_NAME), position)
    return match[0] if named else b"x" + blank(match[0][1:])


def remove_annotation(match: Match) -> bytes:
    """Write spaces for an annotation, if a type and the name of a variable are before it in the same statement."""
    code, position = match.string, match.start() + 1
    before = code[max(0, position - _LONGEST_NAME) : position]
    before = before[max(before.rfind(mark) for mark in (b";", b"{", b"}", b"(", b")", b"=", b":")) + 1 :]
    words = [word for word in _DECLARATION_WORD.findall(before) if word not in _SPECIFIERS]
    is_declared = len(words) - (b"struct" in words or b"union" in words or b"enum" in words) > 1
    if not is_declared or words[-1] in _NO_TYPES or _BASIC.fullmatch(words[-1]):
        return match[0]
    start = match.start("name") - match.start()
    return match[0][:start] + blank(match["name"])


def remove_comma(match: Match) -> bytes:
    """Write a space for a comma next to an empty argument, if the callee is a macro in capital letters.

    The argument may also be a comment, which is now spaces, as the last one of `unsafe_memcpy`.
    """
    code, position = match.string, match.start()
    if match[0].endswith(_COMMENT):
        return match[0].replace(b",", b" ", 1)
    opening = _find_opening(code, max(0, position - _LONGEST_CALL), position)
    if opening is None or not _MACRO_CALLEE.search(code, max(0, opening - _LONGEST_NAME), opening):
        return match[0]
    return match[0].replace(b",", b" ", 1)


def replace_label_address(match: Match) -> bytes:
    """Write a zero for the address of a label."""
    return b"0" + blank(match[0][1:]) if is_label_address(match) else match[0]


def is_label_address(match: Match) -> bool:
    """Return whether `&&` and a name are the address of a label, not an operator and its operand."""
    position = match.start()
    return _BEFORE_ADDRESS.search(match.string, max(0, position - _LONGEST_NAME), position) is not None


def _is_argument(code: bytes, position: int) -> bool:
    """Return whether the bracket or comma at a position precedes an argument of a call, not a parameter."""
    start = max(0, position - _LONGEST_CALL)
    opening = _find_opening(code, start, position)
    if opening is None:
        return True
    callee = _CALLEE.search(code, max(start, opening - _LONGEST_NAME), opening)
    if callee is None:
        return False
    head = code[start : callee.start()]
    statement = head[max(head.rfind(mark) for mark in (b";", b"{", b"}")) + 1 :].replace(b"*", b" ").split()
    return not statement or statement[0] in _NO_TYPES or not all(_TYPE_WORD.fullmatch(word) for word in statement)


def _find_opening(code: bytes, start: int, position: int) -> int | None:
    """Return the position of the round bracket around a position, or None if it is before `start`."""
    if code[position] == ord("("):
        return position
    depth = 0
    for match in reversed(list(_BRACKET.finditer(code, start, position))):
        depth += 1 if match[0] == b"(" else -1
        if depth > 0:
            return match.start()
    return None


_PATTERNS = {
    "ARGUMENTS": ARGUMENTS,
    "ARGUMENT": ARGUMENT,
    "MACRO": MACRO,
    "BASIC": BASIC,
    "TYPE": TYPE,
    "MEMBER": MEMBER,
    "ANNOTATION": ANNOTATION,
}
_FUNCTIONS = {
    function.__name__: function
    for function in (
        name_bit_field,
        remove_annotation,
        remove_comma,
        remove_member,
        replace_label_address,
        rewrite_declared_variable,
        rewrite_declaring_loop,
        rewrite_list_loop,
        rewrite_type,
    )
}


def read_rewrites() -> dict[str, tuple[Rewrite, ...]]:
    """Return the rules of each table of `rewrites.toml`."""
    tables = tomllib.loads(
        resources.files("seqforge_code_structure.identifiers").joinpath("rewrites.toml").read_text("utf-8")
    )
    return {name: tuple(map(_read_rewrite, table)) for name, table in tables.items()}


def _read_rewrite(entry: dict[str, Any]) -> Rewrite:
    pattern = re.sub("@([A-Z]+)@", lambda match: _PATTERNS[match[1]].decode(), entry["pattern"].replace("\n", ""))
    by = _FUNCTIONS[entry["function"]] if "function" in entry else entry.get("by", "").encode()
    hints = tuple(hint.encode() for hint in entry["hints"])
    return Rewrite(hints, pattern.encode(), by, entry.get("always", False))

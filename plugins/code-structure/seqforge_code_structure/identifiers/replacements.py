"""Replacements of the rules that rewrite C of the Linux kernel. Each returns as many bytes as its match has."""

import re
from collections.abc import Callable

from seqforge_code_structure.identifiers.compiled_code import blank

Match = re.Match[bytes]

_BRACKET = re.compile(rb"[()]")
_LONGEST_CALL = 400
_LONGEST_NAME = 80
_NO_TYPES = (b"return", b"else", b"case", b"do", b"goto")
_TYPE_WORD = re.compile(rb"\**(?:[A-Za-z_]\w*+\**)?")

_CALLEE = re.compile(
    rb"(?<!\w)(?!(?:sizeof|typeof|__typeof__|__typeof|alignof|_Alignof|__alignof__|if|while|for|switch|return)\b)[A-Za-z_]\w*+\s*+\Z"
)


def blank_match(match: Match) -> bytes:
    """Replace the match by spaces."""
    return blank(match[0])


def replace_name_by(word: bytes) -> Callable[[Match], bytes]:
    """Return a replacement function that changes the group `name` to a word, unless the word is longer."""

    def replace(match: Match) -> bytes:
        whole = match[0]
        start, stop = (position - match.start() for position in match.span("name"))
        if stop - start < len(word):
            return whole
        return whole[:start] + word + blank(whole[start + len(word) : stop]) + whole[stop:]

    return replace


def _begin_with(text: bytes, code: bytes) -> bytes:
    """Write a text at the beginning of code and blank the rest, unless the text is longer than the first line."""
    return text + blank(code[len(text) :]) if len(code.partition(b"\n")[0]) >= len(text) else code


def write_sum(match: Match) -> bytes:
    """Write a range as a sum."""
    return blank(match[0][:-3]) + b" + "


def rewrite_declaring_loop(match: Match) -> bytes:
    """Write the loop as declarations of a structure, whose bit-field uses one name, and of a variable."""
    head = b"struct{int x:"
    end = b";" + match["gap"][:-1] + b"}"
    return head + blank(match["head"][len(head) :]) + match["over"] + end + match["variable"] + b";"


def rewrite_list_loop(match: Match) -> bytes:
    """Write the loop as a `while` without its last argument."""
    return b"while" + blank(match["name"][5:]) + match["arguments"] + blank(match["member"])


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


def _is_argument(code: bytes, position: int) -> bool:
    """Return whether the bracket or comma at a position precedes an argument of a call, not a parameter."""
    start = max(0, position - _LONGEST_CALL)
    opening = _find_opening(code, start, position)
    if opening is None:
        return True
    before = code[start:opening]
    callee = _CALLEE.search(before, max(0, len(before) - _LONGEST_NAME))
    if callee is None:
        return False
    head = before[: callee.start()]
    statement = head[max(head.rfind(mark) for mark in (b";", b"{", b"}")) + 1 :].split()
    return not statement or statement[0] in _NO_TYPES or not all(_TYPE_WORD.fullmatch(word) for word in statement)


def _find_opening(code: bytes, start: int, position: int) -> int | None:
    """Return the position of the round bracket around a position, or None if it is before `start`."""
    depth = 0
    # The bracket at the position itself may be the one.
    for match in reversed(list(_BRACKET.finditer(code, start, position + 1))):
        depth += 1 if match[0] == b"(" else -1
        if depth > 0:
            return match.start()
    return None


def name_bit_field(match: Match) -> bytes:
    """Write a name for the width of a bit-field."""
    return match["type"] + b"x" + blank(match["width"][1:])


def rewrite_per_cpu_variable(match: Match) -> bytes:
    """Write the macro as a declaration of the type int. The name stays in its place."""
    before, name = match["before"], match["name"]
    return b"int" + blank(before[3:]) + name + blank(match[0][len(before + name) :])


def declare_structure(match: Match) -> bytes:
    """Write the macro as a declaration."""
    return _begin_with(b"int x =", match[0])


def define_structure(match: Match) -> bytes:
    """Write the macro as the head of a structure."""
    return _begin_with(b"struct x", match[0])


def define_function(match: Match) -> bytes:
    """Write the macro as the head of a function without parameters."""
    return _begin_with(b"int x()", match[0])


def write_zero(match: Match) -> bytes:
    """Write a zero at the end of the match, before white space."""
    whole = match[0]
    stop = len(whole.rstrip())
    return blank(whole[: stop - 1]) + b"0" + blank(whole[stop:])


def write_member(match: Match) -> bytes:
    """Write the macro as a member."""
    return match["space"] + _begin_with(b"int x", match["name"])


def rewrite_type_of(match: Match) -> bytes:
    """Write the type int."""
    return b"int" + blank(match[0][3:])


def rewrite_automatic_type(match: Match) -> bytes:
    """Write the type int."""
    return b"int "


def replace_by_zero(match: Match) -> bytes:
    """Write a zero for the address of a label."""
    whole = match[0]
    start, stop = (position - match.start() for position in match.span("address"))
    return whole[:start] + b"0" + blank(whole[start + 1 : stop])

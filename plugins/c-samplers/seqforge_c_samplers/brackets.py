"""Brackets, comments, literals and conditions of a C text: what is wrong, what is open, and how to close it."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from seqforge_code_structure.structure import DIRECTIVES, TokenKind, scan_text
from seqforge_code_structure.terminators import analyze_terminators
from seqforge_code_structure.units import Unit

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_DIRECTIVE = re.compile(r"\s*#[ \t]*(if|el|endif)")
_END: dict[int, str] = {
    TokenKind.UNTERMINATED_COMMENT: " */",
    TokenKind.UNTERMINATED_STRING: '"',
    TokenKind.UNTERMINATED_CHARACTER: "'",
    TokenKind.LINE_COMMENT: "\n",
    TokenKind.DIRECTIVE: "\n",
    TokenKind.OPENING_DIRECTIVE: "\n",
}
"""Text that ends a token at the end of the text."""

_COMMENTS = (TokenKind.COMMENT, TokenKind.UNTERMINATED_COMMENT, TokenKind.LINE_COMMENT)

_HEAD = re.compile(r"(?P<loop>\bdo\s*)\Z|(?:=|\b(?:struct|union|enum)\b[^;{}()=]*)\s*\Z")
_LONGEST_HEAD = 200
"""Number of characters before a brace in which its keyword is searched for, so that the time stays linear."""


def count_bracket_faults(text: str, units: Iterable[Unit]) -> int:
    """Return the number of brackets, comments and literals that are wrong in a text and its units."""
    brackets = sum(len(unit.defects) + len(unit.macro_defects) for unit in units)
    *_, faults = find_open(text)  # also in code that conditions leave out, which has no units
    return max(brackets, faults) + len(analyze_terminators(text).defects)


def count_indented_comments(text: str) -> int:
    """Return the number of comments that begin an indented line although no bracket is open."""
    depth = wrong = 0
    for kind, start, _ in scan_text(text):
        if kind == TokenKind.BRACKET:
            depth += 1 if text[start] in _CLOSING else -1
        elif kind in _COMMENTS and depth == 0:
            wrong += text[text.rfind("\n", 0, start) + 1 : start].isspace()
    return wrong


class Open(NamedTuple):
    """An open bracket.

    Attributes:
        bracket: The bracket, or `#` for an `#if`.
        position: Position in the text.
        branches: Positions of the `#elif` and `#else` of an `#if`.
    """

    bracket: str
    position: int
    branches: tuple[int, ...] = ()


def find_open(text: str) -> tuple[list[Open], str, int]:
    """Return what is open at the end of a text, and the text that ends its last comment, literal or directive.

    After a branch of an `#if`, the open brackets are those before the `#if`. The number of brackets that close nothing
    is returned, too.
    """
    opened: list[Open] = []
    end, faults = "", 0
    for kind, start, stop in scan_text(text):
        end = _END.get(kind, "") if stop == len(text) else ""
        if kind == TokenKind.BRACKET:
            if (bracket := text[start]) in _CLOSING:
                opened.append(Open(bracket, start))
            elif opened and _CLOSING.get(opened[-1].bracket) == bracket:
                opened.pop()
            else:
                faults += 1
        elif kind in DIRECTIVES and (found := _DIRECTIVE.match(text, start)):
            _follow_condition(opened, found[1], start)
    return opened, end, faults


def find_open_conditions(text: str) -> list[str]:
    """Return the lines of each `#if`, with its `#elif` and `#else`, that is open at the end of a text."""
    opened, *_ = find_open(text)
    places = [place for each in opened if each.bracket == "#" for place in (each.position, *each.branches)]
    # A directive begins with the end of the line before it. What continues it is left out.
    lines = [text[place:].lstrip("\n").partition("\n")[0] for place in places]
    return [line.rstrip("\\") + "\n" for line in lines]


def _follow_condition(opened: list[Open], name: str, position: int) -> None:
    levels = [index for index, each in enumerate(opened) if each.bracket == "#"]
    if name == "if":
        opened.append(Open("#", position))
    elif levels and name == "endif":
        del opened[levels[-1]]
    elif levels:
        del opened[levels[-1] + 1 :]
        opened[-1] = opened[-1]._replace(branches=(*opened[-1].branches, position))


def close_text(text: str, *, compact: bool = False) -> str:
    """Return the text that closes what a text leaves open, or "" if nothing is open.

    Args:
        text: Text in C.
        compact: Whether to write as few characters as possible instead of indented lines.
    """
    opened, end, _ = find_open(text)
    whole = text + end
    braces = sum(each.bracket == "{" for each in opened)
    for bracket, position, _ in reversed(opened):
        if bracket == "#":
            whole += "#endif\n" if whole.endswith("\n") else "\n#endif\n"
        elif bracket == "{":
            braces -= 1
            # A brace in column 0 would end the unit.
            short = " }" if braces and whole.endswith("\n") else "}"
            whole += short if compact else _closing_line(text, whole, position, braces)
        else:
            whole += _CLOSING[bracket]
    if whole[-1:] in (")", "]") and opened and not compact:
        whole += ";\n"
    return whole[len(text) :]


def _closing_line(text: str, whole: str, position: int, depth: int) -> str:
    """Return the line of a closing brace, after the line that it ends."""
    head = _HEAD.search(text[max(0, position - _LONGEST_HEAD) : position])
    after = "" if head is None else " while (0);" if head["loop"] else ";"
    before = "" if whole.endswith("\n") else ";\n" if whole.endswith((")", "]")) else "\n"
    return before + "\t" * depth + "}" + after + "\n"

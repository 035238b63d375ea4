"""Syntax errors and indentation, from the syntax tree of a text that may be cut at both ends."""

import re
from collections import Counter
from functools import cache
from typing import NamedTuple

from tree_sitter import Node, Parser, Query, QueryCursor, Tree

from seqforge_code_syntax.languages import Language
from seqforge_code_syntax.tokens import Error, begins_inside

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_CHARACTER = re.compile(rb"[^\n]")
_LINE = re.compile(rb"^[ \t]*+[^\s)\]}]", re.MULTILINE)
_INDENTATION = re.compile(rb"[ \t]*+")
_TAB = 8
"""Columns of a tab."""


class Source(NamedTuple):
    """A text that was parsed.

    Attributes:
        code: Its code: one byte for each character, so that places in the tree are those in the text.
        tree: Its syntax tree.
        start: Place after the lines at the beginning that belong to something that is cut.
    """

    code: bytes
    tree: Tree
    start: int


@cache
def _parser(language: Language) -> Parser:
    assert language.grammar is not None  # noqa: S101
    return Parser(language.grammar)


def parse(text: str, language: Language, start: int = 0) -> Source:
    """Parse a text from a place on. Letters that are not ASCII become `u`, and other characters `?`.

    If the text begins inside something, the tree begins with the first of the lines that are indented least.
    """
    code = _NOT_ASCII.sub(lambda match: "u" if f"a{match[0]}".isidentifier() else "?", text).encode()
    if start or begins_inside(text):
        lines = {match.start(): _column(code, match.start()) for match in _LINE.finditer(code, start)}
        start = min(lines, key=lines.__getitem__, default=len(code))
    # Spaces keep the places of what follows.
    return Source(code, _parser(language).parse(_CHARACTER.sub(b" ", code[:start]) + code[start:]), start)


def find_syntax_errors(source: Source) -> list[Error]:
    """Return the outermost errors of a tree, without those that reach the end of the text, which may be cut."""
    end = len(source.code.rstrip())
    waiting, errors = [source.tree.root_node], list[Error]()
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            if node.end_byte < end:
                place = node.start_byte
                message = f"{node.type!r} is missing" if node.is_missing else "syntax error"
                errors.append(Error(place, max(place + 1, node.end_byte), message))
                continue
        elif not node.has_error:
            continue
        waiting += reversed(node.children)
    return errors


class Indentation(NamedTuple):
    """Lines that begin a statement, and those of them whose indentation is wrong."""

    lines: int
    wrong: list[Error]


def check_indentation(source: Source, blocks: Query) -> Indentation:
    """Compare the column of each statement with that of the line on which the construct of its block begins.

    A statement agrees if it is one unit to the right. The unit is the most frequent distance in the text.
    """
    code = source.code
    found: list[tuple[Node, int]] = []
    for node in QueryCursor(blocks).captures(source.tree.root_node).get("statement", ()):
        line = code.rfind(b"\n", 0, node.start_byte) + 1
        owner = node.parent and (node.parent.parent or node.parent)
        if node.is_extra or owner is None or owner.start_byte >= line:  # a comment, or a block on one line
            continue
        if not code[line : node.start_byte].strip():
            found.append((node, _column(code, line) - _column(code, code.rfind(b"\n", 0, owner.start_byte) + 1)))
    unit = max(1, Counter(distance for _, distance in found).most_common(1)[0][0]) if found else 1
    wrong = [
        Error(node.start_byte, node.start_byte + 1, "the indentation does not match the block around it")
        for node, distance in found
        if distance != unit
    ]
    return Indentation(len(found), wrong)


def _column(code: bytes, line: int) -> int:
    """Return the column of the first character of a line that is no space."""
    match = _INDENTATION.match(code, line)
    return len(match[0].expandtabs(_TAB)) if match else 0

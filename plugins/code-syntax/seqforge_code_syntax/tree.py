"""Syntax errors and indentation, from the syntax tree of a text that may be cut at both ends."""

import re
from collections import Counter
from typing import NamedTuple

from tree_sitter import Node, Parser, Query, QueryCursor, Tree

from seqforge_code_syntax.tokens import Error, begins_inside

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_CHARACTER = re.compile(rb"[^\n]")
_LINE = re.compile(rb"^[ \t]*+[^\s)\]}]", re.MULTILINE)
_INDENTATION = re.compile(rb"[ \t]*+")


class Source(NamedTuple):
    """A text that was parsed.

    Attributes:
        code: Its code: one byte for each character, so that places in the tree are those in the text.
        tree: Its syntax tree.
        start: Place at which the tree begins.
    """

    code: bytes
    tree: Tree
    start: int


def parse(text: str, parser: Parser, start: int = 0) -> Source:
    """Parse a text from a place on. Letters that are not ASCII become `u`, and other characters `?`.

    If the text begins inside something, the tree begins with the first of the lines that are indented least.
    """
    code = _NOT_ASCII.sub(lambda match: "u" if f"a{match[0]}".isidentifier() else "?", text).encode()
    if start or begins_inside(text):
        lines = {match.start(): _column(code, match.start()) for match in _LINE.finditer(code, start)}
        start = min(lines, key=lines.__getitem__, default=len(code))
    # Spaces keep the places of what follows.
    return Source(code, parser.parse(_CHARACTER.sub(b" ", code[:start]) + code[start:]), start)


def find_syntax_errors(source: Source) -> list[Error]:
    """Return the outermost errors of a tree, without those that reach the end of the text, which may be cut."""
    end = len(source.code.rstrip())
    waiting, errors = [source.tree.root_node], list[Error]()
    while waiting:
        node = waiting.pop()
        if (node.is_error or node.is_missing) and node.end_byte < end:
            message = f"{node.type!r} is missing" if node.is_missing else "syntax error"
            errors.append(Error(node.start_byte, max(node.start_byte + 1, node.end_byte), message))
        elif node.has_error:
            waiting += reversed(node.children)
    return errors


def check_indentation(source: Source, blocks: Query) -> tuple[int, list[Error]]:
    """Compare the column of each statement with that of the line on which the construct of its block begins.

    A statement must be one unit to the right. The unit is the most frequent distance in the text.

    Returns:
        The number of lines that begin a statement, and those of them that are wrong.
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
    message = "the indentation does not match the block around it"
    wrong = [Error(node.start_byte, node.start_byte + 1, message) for node, distance in found if distance != unit]
    return len(found), wrong


def _column(code: bytes, line: int) -> int:
    """Return the column of the first character of a line that is no space, with tab stops of 8."""
    match = _INDENTATION.match(code, line)
    return len(match[0].expandtabs(8)) if match else 0

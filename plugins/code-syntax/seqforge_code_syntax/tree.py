"""Syntax errors, indentation, and names that a function uses and nothing declares, from the syntax tree of a text.

The text may be cut at both ends. Names are found by a query of scopes and names. Its captures are `@scope`,
`@function`, and for names `@use`, `@declared` in the innermost scope, `@outer` in the scope around it, as the name of a
function, `@global` in the outermost one, and `@ignored`. A node has the last of its captures in the query. A
declaration counts in its whole scope, since the order of statements is not followed.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from tree_sitter import Node, Parser, Point, Query, QueryCursor, Tree

from seqforge_code_syntax.tokens import Error, begins_inside

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_CHARACTER = re.compile(rb"[^\n]")
_LINE = re.compile(rb"^[ \t]*+[^\s)\]}]", re.MULTILINE)
_INDENTATION = re.compile(rb"[ \t]*+")


_FEWEST_REPORTS, _CHARACTERS_PER_REPORT = 1_000, 10
"""How often the parser may report its progress. A file of 24 kB needs 128 reports. Repeated signs such as `->` need
quadratic time, and 23,000 reports for 3 kB."""

_PIECE = 1024
"""Number of bytes that the parser reads at once."""


class Source(NamedTuple):
    """A text that was parsed.

    Attributes:
        code: Its code: one byte for each character, so that places in the tree are those in the text.
        tree: Its syntax tree.
        start: Place at which the tree begins.
        is_refused: Whether the text takes the parser too long, so that the tree is empty.
    """

    code: bytes
    tree: Tree
    start: int
    is_refused: bool = False


def parse(text: str, parser: Parser, start: int = 0) -> Source:
    """Parse a text from a place on. Letters that are not ASCII become `u`, and other characters `?`.

    If the text begins inside something, the tree begins with the first of the lines that are indented least.
    """
    code = _NOT_ASCII.sub(lambda match: "u" if f"a{match[0]}".isidentifier() else "?", text).encode()
    if start or begins_inside(text):
        lines = {match.start(): _column(code, match.start()) for match in _LINE.finditer(code, start)}
        start = min(lines, key=lines.__getitem__, default=len(code))
    spaced = _CHARACTER.sub(b" ", code[:start]) + code[start:]  # Spaces keep the places of what follows.
    reports, most = count(1), _FEWEST_REPORTS + len(code) // _CHARACTERS_PER_REPORT

    def read(position: int, _: Point) -> bytes:
        return spaced[position : position + _PIECE]

    try:
        # The parser reports its progress only if it reads the code from a function.
        tree = parser.parse(read, progress_callback=lambda _position, _has_error: next(reports) > most)
    except ValueError:
        parser.reset()
        return Source(code, parser.parse(b""), start, is_refused=True)
    return Source(code, tree, start)


def find_syntax_errors(source: Source) -> list[Error]:
    """Return the outermost errors of a tree, without those that reach the end of the text, which may be cut."""
    end = len(source.code.rstrip())
    if source.is_refused:
        return [Error(source.start, end, "too complex for the parser")]
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
    found: list[tuple[int, int]] = []
    for node, owner in _find_statements(source.tree.root_node, blocks):
        start = node.start_byte
        line = code.rfind(b"\n", 0, start) + 1
        if node.is_extra or owner.start_byte >= line:  # a comment, or a block on one line
            continue
        if not code[line:start].strip():
            found.append((start, _column(code, line) - _column(code, code.rfind(b"\n", 0, owner.start_byte) + 1)))
    found.sort()
    unit = max(1, Counter(distance for _, distance in found).most_common(1)[0][0]) if found else 1
    message = "the indentation does not match the block around it"
    return len(found), [Error(start, start + 1, message) for start, distance in found if distance != unit]


def _find_statements(root: Node, blocks: Query) -> Iterator[tuple[Node, Node]]:
    """Yield each statement of a tree, with the node around its block, in any order and in linear time.

    A query of the whole tree, and `Node.parent`, would take quadratic time for blocks in one another.
    """
    cursor, waiting = QueryCursor(blocks), [(root, root)]
    cursor.set_max_start_depth(0)
    while waiting:
        block, owner = waiting.pop()
        waiting += [(child, block) for child in block.children if child.child_count]
        for node in cursor.captures(block).get("statement", ()):
            yield node, owner


def _column(code: bytes, line: int) -> int:
    """Return the column of the first character of a line that is no space, with tab stops of 8."""
    match = _INDENTATION.match(code, line)
    return len(match[0].expandtabs(8)) if match else 0


FREE_FRACTION = 0.1
"""A name counts as always declared if less than this fraction of the files that use it do so without a declaration."""


class Names(NamedTuple):
    """The names of a text.

    Attributes:
        functions: For each outermost function without a syntax error, the names that it uses and nothing declares, each
            with its place.
        free: Names that functions use, and do not declare.
        bound: Names that functions declare.
    """

    functions: list[list[tuple[str, int]]]
    free: set[str]
    bound: set[str]


@dataclass(slots=True)
class _Scope:
    stop: int
    around: "_Scope | None"
    function: int
    """Index of the outermost function around it, or -1."""
    declared: set[str] = field(default_factory=set[str])


def read_names(source: Source, query: Query) -> Names:
    """Resolve the names of a text."""
    outermost = scope = _Scope(len(source.code), None, -1)
    names = Names([], set(), set())
    uses: list[tuple[_Scope, str, int]] = []
    for node, capture in _find_captures(query, source.tree.root_node):
        start = node.start_byte
        while scope.stop <= start and scope.around is not None:
            scope = scope.around
        name = source.code[start : node.end_byte].decode()
        if capture == "use":
            uses.append((scope, name, start))
        elif capture in ("scope", "function"):
            number = scope.function
            if capture == "function" and number < 0 and not node.has_error:
                number = len(names.functions)
                names.functions.append([])
            scope = _Scope(node.end_byte, scope, number)
        elif capture != "ignored":
            target = outermost if capture == "global" else scope.around if capture == "outer" else scope
            (target or scope).declared.add(name)
    for scope, name, start in uses:
        owner: _Scope | None = scope
        while owner is not None and name not in owner.declared:
            owner = owner.around
        if scope.function < 0:
            continue
        if owner is None:
            names.functions[scope.function].append((name, start))
        (names.free if owner is None or owner.function < 0 else names.bound).add(name)
    return names


def _find_captures(query: Query, root: Node) -> list[tuple[Node, str]]:
    """Return the captured nodes in the order of the text, each with its last capture in the query."""
    captures = QueryCursor(query).captures(root)
    found: dict[int, tuple[Node, str]] = {}
    for capture in map(query.capture_name, range(query.capture_count)):
        for node in captures.get(capture, ()):
            found[node.id] = node, capture
    return sorted(found.values(), key=lambda each: (each[0].start_byte, -each[0].end_byte))


def find_local_names(files: Iterable[Names]) -> frozenset[str]:
    """Return the names that functions of a training text always declare, by the number of files."""
    bound, free = Counter[str](), Counter[str]()
    for names in files:
        bound.update(names.bound)
        free.update(names.free)
    return frozenset(name for name, count in bound.items() if free[name] < FREE_FRACTION * (free[name] + count))

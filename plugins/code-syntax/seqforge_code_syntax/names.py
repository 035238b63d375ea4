"""Names that a function uses and nothing declares, by a query of scopes and names.

The captures of the query are `@scope`, `@function`, and for names `@use`, `@declared` in the innermost scope, `@outer`
in the scope around it, as the name of a function, `@global` in the outermost one, and `@ignored`. A node has the last
of its captures in the query. A declaration counts in its whole scope, since the order of statements is not followed.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tree_sitter import Node, Query, QueryCursor

from seqforge_code_syntax.tree import Source

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

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

_DECLARED = {"declared": 0, "outer": 1}
"""For each capture of a declaration, the number of scopes between it and the scope in which it counts."""


class Use(NamedTuple):
    """A use of a name that no scope around it declares."""

    name: str
    start: int


@dataclass(slots=True)
class Names:
    """The names of a text.

    Attributes:
        functions: For each outermost function without a syntax error, the uses of names that nothing declares.
        free: Names that functions use, and do not declare.
        bound: Names that functions declare.
    """

    functions: list[list[Use]] = field(default_factory=list[list[Use]])
    free: set[str] = field(default_factory=set[str])
    bound: set[str] = field(default_factory=set[str])


@dataclass(slots=True)
class _Scope:
    stop: int
    around: "_Scope | None"
    function: int
    declared: set[str] = field(default_factory=set[str])


def read_names(source: Source, query: Query) -> Names:
    """Resolve the names of a text, in time that is linear in the text and in the depth of its scopes."""
    outermost = scope = _Scope(len(source.code), None, -1)
    names = Names()
    uses: list[tuple[_Scope, Use]] = []
    for node, capture in _find_captures(query, source.tree.root_node):
        start = node.start_byte
        while scope.stop <= start and scope.around is not None:
            scope = scope.around
        if capture in ("scope", "function"):
            number = scope.function
            if capture == "function" and number < 0 and not node.has_error:
                number = len(names.functions)
                names.functions.append([])
            scope = _Scope(node.end_byte, scope, number)
            continue
        name = source.code[start : node.end_byte].decode()
        if capture == "use":
            uses.append((scope, Use(name, start)))
        elif capture == "global":
            outermost.declared.add(name)
        elif capture in _DECLARED:
            target = scope.around or scope if _DECLARED[capture] else scope
            target.declared.add(name)
            if target.function >= 0:
                names.bound.add(name)
    for scope, use in uses:
        if scope.function >= 0:
            owner: _Scope | None = scope
            while owner is not None and use.name not in owner.declared:
                owner = owner.around
            if owner is None:
                names.functions[scope.function].append(use)
            if owner is None or owner.function < 0:
                names.free.add(use.name)
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

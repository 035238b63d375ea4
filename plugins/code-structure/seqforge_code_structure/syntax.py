"""The grammar of C, queries of its syntax trees, and their nodes."""

from collections.abc import Iterable
from importlib import resources
from operator import itemgetter

import tree_sitter_c
from tree_sitter import Language, Node, Query, QueryCursor

LANGUAGE = Language(tree_sitter_c.language())

Captures = dict[str, list[Node]]
"""The nodes that a query finds, by the name of their capture."""


def read_query(name: str) -> Query:
    """Return a query that is a file of this package."""
    content = resources.files("seqforge_code_structure").joinpath(name).read_text("utf-8")
    return Query(LANGUAGE, content)


_UNIT = read_query("unit.scm")

_DEEPEST = 65_000
"""Depth in the tree from which nodes are not read. The query counts it in 16 bits, and takes quadratic time beyond."""


def find_captures(root: Node, query: Query = _UNIT) -> Captures:
    """Return the nodes that a query finds in a tree, by default those that the analyses of a unit read."""
    cursor = QueryCursor(query)
    cursor.set_max_start_depth(_DEEPEST)
    return cursor.captures(root)


def list_names(query: Query = _UNIT) -> list[str]:
    """Return the names of the captures of a query."""
    return [query.capture_name(number) for number in range(query.capture_count)]


def order_captures(captures: Captures, names: Iterable[str]) -> list[tuple[int, int, str, Node]]:
    """Return the nodes of some captures in the order of the text, each with the last of its captures.

    Returns:
        For each node its start, its negative end, so that a node is before those inside it, its capture, and the node.
    """
    found = {
        node.id: (node.start_byte, -node.end_byte, name, node) for name in names for node in captures.get(name, ())
    }
    return sorted(found.values(), key=itemgetter(0, 1))


def text_of(node: Node) -> str:
    """Return the code of a node."""
    return (node.text or b"").decode()


def child_of(node: Node | None, field: str) -> Node | None:
    """Return the child in a field of a node, or None."""
    return node.child_by_field_name(field) if node is not None else None


def walk(node: Node | None) -> list[Node]:
    """Return a node and all nodes inside it, in no particular order."""
    waiting, found = ([node] if node is not None else []), list[Node]()
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting += current.children
    return found


def follow_declarator(node: Node | None) -> list[Node]:
    """Return a declarator and those inside it, of which the last one is the declared name."""
    found: list[Node] = []
    while node is not None:
        found.append(node)
        inside = (each for each in node.named_children if "declarator" in each.type or "identifier" in each.type)
        bracketed = node.type in ("parenthesized_declarator", "attributed_declarator")
        node = node.child_by_field_name("declarator") or (next(inside, None) if bracketed else None)
    return found

"""The grammar of C, queries of its syntax trees, and their nodes."""

from importlib import resources

import tree_sitter_c
from tree_sitter import Language, Node, Query, QueryCursor

LANGUAGE = Language(tree_sitter_c.language())


def read_query(name: str) -> Query:
    """Return a query that is a file of this package."""
    content = resources.files("seqforge_code_structure").joinpath(name).read_text("utf-8")
    return Query(LANGUAGE, content)


def find_captures(query: Query, root: Node) -> list[tuple[Node, str]]:
    """Return the nodes that a query captures in the order of the text, each with its last capture in the query."""
    captures = QueryCursor(query).captures(root)
    found: dict[int, tuple[Node, str]] = {}
    for capture in map(query.capture_name, range(query.capture_count)):
        for node in captures.get(capture, ()):
            found[node.id] = node, capture
    return sorted(found.values(), key=lambda each: (each[0].start_byte, -each[0].end_byte))


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

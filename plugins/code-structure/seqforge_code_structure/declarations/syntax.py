"""Nodes of a syntax tree, their code, and the variables that a tree declares."""

from typing import NamedTuple

from tree_sitter import Node

_DECLARATIONS = frozenset({"declaration", "parameter_declaration", "field_declaration"})


class Local(NamedTuple):
    """A variable that the unit declares.

    Attributes:
        type: Name of its type if the unit does not declare it, or "".
        pointers: Number of times that its declaration dereferences this type.
    """

    type: str
    pointers: int


def find_locals(root: Node) -> dict[str, Local]:
    """Return the variables, parameters and members that a tree declares, by name. The first one of a name counts."""
    found: dict[str, Local] = {}
    for node in walk(root):
        if node.type not in _DECLARATIONS:
            continue
        kind = node.child_by_field_name("type")
        name = text_of(kind) if kind is not None and kind.type == "type_identifier" else ""
        for declarator in node.children_by_field_name("declarator"):
            pointers, current = 0, declarator
            while current is not None and current.type != "identifier":
                pointers += current.type in ("pointer_declarator", "array_declarator")
                following = current.child_by_field_name("declarator")
                current = following or next(
                    (each for each in current.named_children if "declarator" in each.type), None
                )
            if current is not None:
                found.setdefault(text_of(current), Local(name, pointers))
    return found


def walk(node: Node | None) -> list[Node]:
    """Return a node and all nodes inside it, in no particular order."""
    waiting, found = ([node] if node is not None else []), list[Node]()
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting += current.children
    return found


def child_of(node: Node | None, field: str) -> Node | None:
    """Return the child in a field of a node, or None."""
    return node.child_by_field_name(field) if node is not None else None


def text_of(node: Node) -> str:
    """Return the code of a node."""
    return (node.text or b"").decode()

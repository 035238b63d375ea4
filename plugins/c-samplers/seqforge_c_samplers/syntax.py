"""Statements outside of functions, in the syntax tree of a unit."""

from tree_sitter import Node, Tree

_OUTSIDE = frozenset(
    {
        "declaration",
        "enum_specifier",
        "expression_statement",
        "function_definition",
        "struct_specifier",
        "type_definition",
        "union_specifier",
    }
)
"""Nodes outside of functions. A statement there can only be the call of a macro."""


def count_misplaced(tree: Tree, text: str) -> int:
    """Return the number of nodes outside of functions that do not belong there, or are on an indented line.

    Args:
        tree: Syntax tree of a unit.
        text: Text of the unit. The tree lacks annotations at the beginning of lines.
    """
    return sum(not _may_be_outside(node, text) for node in tree.root_node.named_children)


def _may_be_outside(node: Node, text: str) -> bool:
    start = text.rfind("\n", 0, node.start_byte) + 1
    if node.type not in _OUTSIDE or text[start : start + 1].isspace():
        return False
    return node.type != "expression_statement" or [child.type for child in node.named_children] == ["call_expression"]

"""Roles of identifiers, derived from their position in a syntax tree of tree-sitter-c.

The *role* of a node follows from the role and the kind of its parent and from the node's field, by `TRANSITIONS`.
"""

from enum import IntEnum

import tree_sitter_c
from tree_sitter import Language

LANGUAGE = Language(tree_sitter_c.language())


class Role(IntEnum):
    """Role of the identifiers in a subtree."""

    USE = 0
    """Variables that are read or written."""
    CALL = 1
    """The function of a call."""
    LOCAL = 2
    """The variable of a declaration; at the top level, also a function."""
    PARAMETER = 3
    """The parameter of a declaration."""
    PARAMETERS = 4
    """The parameter list of a function, or one of its declarations."""
    FUNCTION = 5
    """The function of a definition."""
    TYPE_NAME = 6
    """The type name of a typedef."""
    ENUMERATOR = 7
    """A constant of an enumeration."""
    LABEL = 8
    """A label that is defined."""
    GOTO = 9
    """The label of a jump."""
    IGNORED = 10
    """Identifiers that are ignored: parameters of prototypes, names of operands."""
    MACRO_ARGUMENTS = 11
    """The arguments of a macro that declares names."""
    MACRO_LOCAL = 12
    """A name that such a macro declares, unless it is already declared."""
    MACRO_PARAMETERS = 13
    """The arguments of a macro that defines a function: types and names of parameters."""


def _kind(name: str) -> int:
    found = LANGUAGE.id_for_node_kind(name, True)
    if found is None:
        raise RuntimeError(f"tree-sitter-c has no node {name!r}")
    return found


def _field(name: str) -> int:
    found = LANGUAGE.field_id_for_name(name)
    if found is None:
        raise RuntimeError(f"tree-sitter-c has no field {name!r}")
    return found


IDENTIFIER = _kind("identifier")
TYPE_IDENTIFIER = _kind("type_identifier")
STATEMENT_IDENTIFIER = _kind("statement_identifier")
FUNCTION_DEFINITION = _kind("function_definition")
FUNCTION_DECLARATOR = _kind("function_declarator")
RETURN_STATEMENT = _kind("return_statement")
CALL_EXPRESSION = _kind("call_expression")
EXPRESSION_STATEMENT = _kind("expression_statement")
SCOPES = frozenset({_kind("compound_statement"), _kind("for_statement"), FUNCTION_DEFINITION})
"""Nodes that open a scope."""

LEAVES = frozenset({_kind("string_literal"), _kind("char_literal"), _kind("concatenated_string"), _kind("comment")})
"""Nodes that have children, but no identifiers."""

ARGUMENTS, PARAMETERS = _field("arguments"), _field("parameters")

_DECLARATOR = _field("declarator")

Fields = dict[int, Role]
Transition = tuple[Role, Fields]
"""The default role of a node's children, and the roles of children in certain fields."""


def _declarators(role: Role, parameters: Role) -> dict[int, Transition]:
    """Return transitions that pass a declaring role through nested declarators to the name."""
    fields = {_DECLARATOR: role}
    return {
        _kind("init_declarator"): (Role.USE, fields),
        _kind("pointer_declarator"): (Role.USE, fields),
        _kind("array_declarator"): (Role.USE, fields),
        FUNCTION_DECLARATOR: (Role.USE, {**fields, PARAMETERS: parameters}),
        _kind("parenthesized_declarator"): (role, {}),
        _kind("attributed_declarator"): (role, {}),
    }


_USES: dict[int, Transition] = {
    _kind("declaration"): (Role.USE, {_DECLARATOR: Role.LOCAL}),
    FUNCTION_DEFINITION: (Role.USE, {_DECLARATOR: Role.FUNCTION}),
    _kind("type_definition"): (Role.USE, {_DECLARATOR: Role.TYPE_NAME}),
    CALL_EXPRESSION: (Role.USE, {_field("function"): Role.CALL}),
    _kind("labeled_statement"): (Role.USE, {_field("label"): Role.LABEL}),
    _kind("goto_statement"): (Role.USE, {_field("label"): Role.GOTO}),
    _kind("enumerator"): (Role.USE, {_field("name"): Role.ENUMERATOR}),
    _kind("gnu_asm_output_operand"): (Role.USE, {_field("symbol"): Role.IGNORED}),
    _kind("gnu_asm_input_operand"): (Role.USE, {_field("symbol"): Role.IGNORED}),
    _kind("gnu_asm_goto_list"): (Role.GOTO, {}),
    _kind("attribute_specifier"): (Role.IGNORED, {}),
    _kind("attribute_declaration"): (Role.IGNORED, {}),
}
_TABLES: dict[Role, dict[int, Transition]] = {
    Role.USE: _USES,
    Role.CALL: {CALL_EXPRESSION: _USES[CALL_EXPRESSION]},
    Role.MACRO_ARGUMENTS: {_kind("argument_list"): (Role.MACRO_LOCAL, {})},
    Role.PARAMETERS: {
        _kind("parameter_list"): (Role.PARAMETERS, {}),
        _kind("parameter_declaration"): (Role.USE, {_DECLARATOR: Role.PARAMETER}),
    },
    Role.LOCAL: _declarators(Role.LOCAL, parameters=Role.IGNORED),
    Role.PARAMETER: _declarators(Role.PARAMETER, parameters=Role.IGNORED),
    Role.FUNCTION: _declarators(Role.FUNCTION, parameters=Role.PARAMETERS),
    Role.TYPE_NAME: _declarators(Role.TYPE_NAME, parameters=Role.IGNORED),
}
_INHERITED = (Role.IGNORED, Role.MACRO_PARAMETERS)
"""Roles that apply to whole subtrees."""

# A tuple, since members of an enumeration are slow keys of a dictionary.
TRANSITIONS: tuple[tuple[dict[int, Transition], Transition], ...] = tuple(
    (_TABLES.get(role, {}), (role if role in _INHERITED else Role.USE, {})) for role in Role
)
"""For each role, the transitions by the kind of a node, and the transition for all other kinds."""

"""What an identifier is doing, by where the grammar of tree-sitter-c puts it.

A node's *role* follows from its parent's role and kind, and from the field in which it stands: `TRANSITIONS` says how.
"""

from enum import IntEnum

import tree_sitter_c
from tree_sitter import Language

LANGUAGE = Language(tree_sitter_c.language())


class Role(IntEnum):
    """What a subtree's identifiers are doing."""

    USE = 0
    """They are variables that are read or written."""
    CALL = 1
    """The function that is called."""
    LOCAL = 2
    """The variable that a declaration declares; at the top level, the function, too."""
    PARAMETER = 3
    """The parameter that a declaration declares."""
    PARAMETERS = 4
    """The list of a function's parameters, or one of its declarations."""
    FUNCTION = 5
    """The function that a definition defines."""
    TYPE_NAME = 6
    """The type that a typedef names."""
    ENUMERATOR = 7
    """The constant that an enumeration names."""
    LABEL = 8
    """The label that is set."""
    GOTO = 9
    """The label that is jumped to."""
    IGNORED = 10
    """Nothing that is looked at: parameters of prototypes, names of operands."""
    MACRO_ARGUMENTS = 11
    """The arguments of a macro that declares."""
    MACRO_LOCAL = 12
    """What such a macro declares, where nothing of this name is declared yet."""
    MACRO_PARAMETERS = 13
    """The arguments of a macro that defines a function: types, and names of parameters."""


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
"""Nodes inside which a declaration is seen, and not outside."""

LEAVES = frozenset({_kind("string_literal"), _kind("char_literal"), _kind("concatenated_string"), _kind("comment")})
"""Nodes that have children, and no identifier worth looking at."""

ARGUMENTS, PARAMETERS = _field("arguments"), _field("parameters")

_DECLARATOR = _field("declarator")

Fields = dict[int, Role]
Transition = tuple[Role, Fields]
"""The role of a node's children: in general, and of those in certain fields."""


def _declarators(role: Role, parameters: Role) -> dict[int, Transition]:
    """Carry a declaring role down the nested declarators to the name."""
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
_KEPT = (Role.IGNORED, Role.MACRO_PARAMETERS)
"""Roles that hold all the way down."""

# A tuple, since an enumeration's member is a slow key.
TRANSITIONS: tuple[tuple[dict[int, Transition], Transition], ...] = tuple(
    (_TABLES.get(role, {}), (role if role in _KEPT else Role.USE, {})) for role in Role
)
"""Of each role in turn, the transitions by a node's kind, and the one of all other nodes."""

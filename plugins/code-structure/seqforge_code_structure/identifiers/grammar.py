"""Roles of identifiers, which depend on their position in a syntax tree of tree-sitter-c.

`STEPS` maps the role and the kind of a node to what a walk through the tree does there.
"""

from enum import IntEnum
from typing import NamedTuple

import tree_sitter_c
from tree_sitter import Language

LANGUAGE = Language(tree_sitter_c.language())


class Role(IntEnum):
    """Role of the identifiers in a subtree."""

    USE = 0
    """Variables that are read or written."""
    CALL = 1
    """The function that is called."""
    LOCAL = 2
    """The variable of a declaration; at the top level, also a function."""
    PARAMETER = 3
    """The parameter of a declaration."""
    PARAMETERS = 4
    """The parameter list of a function definition, or one of its declarations."""
    FUNCTION = 5
    """The function that is defined."""
    TYPE_NAME = 6
    """The type name of a typedef."""
    ENUMERATOR = 7
    """A constant of an enumeration."""
    LABEL = 8
    """A label of a statement."""
    GOTO = 9
    """The label of a jump."""
    IGNORED = 10
    """Identifiers that are ignored, such as parameters of prototypes and names of assembler operands."""
    MACRO_ARGUMENTS = 11
    """The arguments of a macro that declares names."""
    MACRO_LOCAL = 12
    """An argument of such a macro. It is declared, unless the name is already visible."""
    MACRO_PARAMETERS = 13
    """The arguments of a macro that defines a function: types and names of parameters."""
    MEMBER = 14
    """The member of a structure, or the parameters of one that is a pointer to a function."""
    UNCERTAIN = 15
    """Names among tokens that do not parse."""


def _node_kind(name: str) -> int:
    found = LANGUAGE.id_for_node_kind(name, True)
    if found is None:
        raise RuntimeError(f"tree-sitter-c has no node {name!r}")
    return found


def _field_id(name: str) -> int:
    found = LANGUAGE.field_id_for_name(name)
    if found is None:
        raise RuntimeError(f"tree-sitter-c has no field {name!r}")
    return found


IDENTIFIER = _node_kind("identifier")
TYPE_IDENTIFIER = _node_kind("type_identifier")
STATEMENT_IDENTIFIER = _node_kind("statement_identifier")
FUNCTION_DEFINITION = _node_kind("function_definition")
FUNCTION_DECLARATOR = _node_kind("function_declarator")
_ABSTRACT_FUNCTION_DECLARATOR = _node_kind("abstract_function_declarator")
RETURN_STATEMENT = _node_kind("return_statement")
CALL_EXPRESSION = _node_kind("call_expression")
EXPRESSION_STATEMENT = _node_kind("expression_statement")
ARGUMENT_LIST = _node_kind("argument_list")
INITIALIZER_LIST = _node_kind("initializer_list")
WHILE_STATEMENT = _node_kind("while_statement")
CONDITIONS = frozenset({_node_kind("comma_expression"), _node_kind("parenthesized_expression")})
BINARY_EXPRESSION = _node_kind("binary_expression")
LEFT_OPERANDS = frozenset({_node_kind("field_expression"), _node_kind("subscript_expression"), BINARY_EXPRESSION})
"""Nodes that begin with an operand."""
ERROR = 0xFFFF
"""Nodes of what does not parse."""
_SCOPES = (_node_kind("compound_statement"), _node_kind("for_statement"), FUNCTION_DEFINITION)
_OPENING = frozenset((*_SCOPES, RETURN_STATEMENT, WHILE_STATEMENT, ERROR))
_NAMES = (IDENTIFIER, TYPE_IDENTIFIER, STATEMENT_IDENTIFIER)

_LEAVES = (
    "string_literal",
    "char_literal",
    "concatenated_string",
    "comment",
    "number_literal",
    "primitive_type",
    "field_identifier",
)
_TOKENS = (kind for kind in range(LANGUAGE.node_kind_count) if not LANGUAGE.node_kind_is_named(kind))
_WITHOUT_NAMES = (*map(_node_kind, _LEAVES), *_TOKENS)
"""Nodes without names, whose children are skipped."""

ARGUMENTS, PARAMETERS = _field_id("arguments"), _field_id("parameters")

CALLED_FUNCTION = _field_id("function")

_DECLARATOR = _field_id("declarator")

_Transition = tuple[Role, dict[int, Role]]
"""The default role of a node's children, and the roles of the children in certain fields."""


def _build_declarator_transitions(role: Role, parameters: Role) -> dict[int, _Transition]:
    """Return transitions that pass a role through nested declarators down to the declared name."""
    fields = {_DECLARATOR: role}
    return {
        _node_kind("init_declarator"): (Role.USE, fields),
        _node_kind("pointer_declarator"): (Role.USE, fields),
        _node_kind("array_declarator"): (Role.USE, fields),
        FUNCTION_DECLARATOR: (Role.USE, {**fields, PARAMETERS: parameters}),
        _ABSTRACT_FUNCTION_DECLARATOR: (Role.USE, {**fields, PARAMETERS: parameters}),
        _node_kind("parenthesized_declarator"): (role, {}),
        _node_kind("attributed_declarator"): (role, {}),
    }


DECLARATORS = frozenset(_build_declarator_transitions(Role.LOCAL, Role.IGNORED))
PARAMETER_NODES = frozenset({_node_kind("parameter_list"), _node_kind("parameter_declaration")})

_USES: dict[int, _Transition] = {
    _node_kind("declaration"): (Role.USE, {_DECLARATOR: Role.LOCAL}),
    FUNCTION_DEFINITION: (Role.USE, {_DECLARATOR: Role.FUNCTION}),
    _node_kind("field_declaration"): (Role.USE, {_DECLARATOR: Role.MEMBER}),
    _ABSTRACT_FUNCTION_DECLARATOR: (Role.USE, {PARAMETERS: Role.IGNORED}),
    _node_kind("type_definition"): (Role.USE, {_DECLARATOR: Role.TYPE_NAME}),
    CALL_EXPRESSION: (Role.USE, {_field_id("function"): Role.CALL}),
    _node_kind("labeled_statement"): (Role.USE, {_field_id("label"): Role.LABEL}),
    _node_kind("goto_statement"): (Role.USE, {_field_id("label"): Role.GOTO}),
    _node_kind("enumerator"): (Role.USE, {_field_id("name"): Role.ENUMERATOR}),
    _node_kind("gnu_asm_output_operand"): (Role.USE, {_field_id("symbol"): Role.IGNORED}),
    _node_kind("gnu_asm_input_operand"): (Role.USE, {_field_id("symbol"): Role.IGNORED}),
    _node_kind("gnu_asm_goto_list"): (Role.GOTO, {}),
    _node_kind("attribute_specifier"): (Role.IGNORED, {}),
    _node_kind("attribute_declaration"): (Role.IGNORED, {}),
}
_TABLES: dict[Role, dict[int, _Transition]] = {
    Role.USE: _USES,
    Role.MACRO_ARGUMENTS: {_node_kind("argument_list"): (Role.MACRO_LOCAL, {})},
    Role.MACRO_LOCAL: {_node_kind("pointer_expression"): (Role.MACRO_LOCAL, {})},
    Role.PARAMETERS: {
        _node_kind("parameter_list"): (Role.PARAMETERS, {}),
        _node_kind("parameter_declaration"): (Role.USE, {_DECLARATOR: Role.PARAMETER}),
    },
    Role.MEMBER: _build_declarator_transitions(Role.MEMBER, parameters=Role.IGNORED),
    Role.LOCAL: _build_declarator_transitions(Role.LOCAL, parameters=Role.IGNORED),
    Role.PARAMETER: _build_declarator_transitions(Role.PARAMETER, parameters=Role.IGNORED),
    Role.FUNCTION: _build_declarator_transitions(Role.FUNCTION, parameters=Role.PARAMETERS),
    Role.TYPE_NAME: _build_declarator_transitions(Role.TYPE_NAME, parameters=Role.IGNORED),
}
_INHERITED = (Role.IGNORED, Role.MACRO_PARAMETERS)
"""Roles that apply to whole subtrees."""

Table = dict[int, "NodeStep | None"]
"""What to do at the nodes of each kind. None means that the node contains no names."""
Fields = dict[int, Table]
"""Tables for the nodes in certain fields of the node around them."""


class NodeStep(NamedTuple):
    """What a walk does at a node.

    Attributes:
        role: Role of the node if it is a name, otherwise None.
        children: Table for its children.
        fields: Other tables for the children in certain fields.
        opens: Whether the node opens a scope, or is another one with a beginning and an end that matter.
    """

    role: Role | None
    children: Table
    fields: Fields
    opens: bool


# This is a tuple, since dictionary lookups are slow with members of an enumeration as keys.
STEPS: tuple[Table, ...] = tuple({} for _ in Role)
"""For each role, what to do at the nodes of each kind."""


def _fill_table(role: Role) -> None:
    def build(kind: int, transition: _Transition) -> NodeStep:
        others = {field: STEPS[other] for field, other in transition[1].items()}
        return NodeStep(None, STEPS[transition[0]], others, kind in _OPENING)

    # A role states what differs from an expression: a call is a call wherever an expression may be.
    inherited = role in _INHERITED
    otherwise: _Transition = role if inherited else Role.USE, {}
    changed = {} if inherited else _USES | _TABLES.get(role, {})
    table = STEPS[role]
    table.update(dict.fromkeys((*range(LANGUAGE.node_kind_count), ERROR), build(0, otherwise)))
    table.update({kind: build(kind, changed.get(kind, otherwise)) for kind in (*changed, *_OPENING)})
    table.update(dict.fromkeys(_WITHOUT_NAMES))
    table.update(dict.fromkeys(_NAMES, NodeStep(role, {}, {}, opens=False)))


for _role in Role:
    _fill_table(_role)

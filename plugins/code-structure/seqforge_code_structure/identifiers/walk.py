"""Walk through a syntax tree in the order of the text, without recursion, and resolve its names in scopes.

In a unit with syntax errors, tree-sitter collects what it cannot parse in nodes of the kind ERROR. Their children are
names and other tokens, and statements that parse by themselves. The statements are resolved as usual. The role of the
names is unknown, so they are collected as uncertain.
"""

import re
from functools import lru_cache

from tree_sitter import Node, Tree

from seqforge_code_structure.identifiers.grammar import (
    ARGUMENT_LIST,
    ARGUMENTS,
    BINARY_EXPRESSION,
    CALLED_FUNCTION,
    CONDITIONS,
    DECLARATORS,
    ERROR,
    EXPRESSION_STATEMENT,
    FUNCTION_DECLARATOR,
    FUNCTION_DEFINITION,
    IDENTIFIER,
    INITIALIZER_LIST,
    LEAVES,
    LEFT_OPERANDS,
    PARAMETER_NODES,
    PARAMETERS,
    RETURN_STATEMENT,
    SCOPES,
    STATEMENT_IDENTIFIER,
    TRANSITIONS,
    TYPE_IDENTIFIER,
    WHILE_STATEMENT,
    Fields,
    Role,
)
from seqforge_code_structure.identifiers.lexicon import is_constant
from seqforge_code_structure.identifiers.names import Function, Scopes, Use

DEEPEST_TREE = 2_000
"""Largest depth of nested nodes. Brackets are limited before parsing, but chains of `else if` or `+` also nest."""
_DECLARING_MACRO = re.compile(
    r"\w*(?:DECLARE|DEFINE)\w*|\w*_HEAD|\w*ON_?STACK\w*|CLASS|\w*ALLOC_\w*|\w*_ALLOC|\w*_DECL\w*|\w*_REQUEST|\w*_STATE|XA_STATE\w*|\w*_ITERATOR|RADIX_TREE"
)


@lru_cache(maxsize=65_536)
def declares_arguments(macro: str) -> bool:
    """Return whether a macro that is used as a statement declares its arguments, as `LIST_HEAD(list);` does."""
    return _DECLARING_MACRO.fullmatch(macro) is not None


class TooDeepError(Exception):
    """The nodes of a tree nest deeper than `DEEPEST_TREE`."""


_NAMES = frozenset({IDENTIFIER, TYPE_IDENTIFIER, STATEMENT_IDENTIFIER})
_OPENING = SCOPES | {RETURN_STATEMENT, WHILE_STATEMENT, ERROR}
_WORD = re.compile(r"\w++")
_ASSIGNMENT = re.compile(rb"\s*+(?:[-+|&^*/%]|<<|>>)?+=(?!=)")
_NO_DECLARATIONS = (Role.IGNORED, Role.MEMBER)
_USE, _CALL = Role.USE, Role.CALL  # attributes of an enumeration are slow

_ROLES_IN_ERRORS: dict[int, Role] = {
    **dict.fromkeys(DECLARATORS, Role.LOCAL),
    **dict.fromkeys(PARAMETER_NODES, Role.PARAMETERS),
}
"""Roles of the names in nodes that lack their declaration, because it does not parse."""

_Frame = tuple[Role, Fields, int]


class Walk:
    """A walk through the tree of one unit.

    Args:
        text: The text that contains the unit.
        code: Rewritten code of the unit, from which the tree was parsed.
        offset: Position of the unit in the text.

    Attributes:
        scopes: Result of the walk.
        uncertain: Names whose role is unknown because of syntax errors.
        error: Position in the unit of the first syntax error, or None.
        unread: Start and end in the unit of each token outside of all nodes that parse.
    """

    def __init__(self, text: str, code: bytes, offset: int) -> None:
        self.scopes = Scopes()
        self.uncertain: set[str] = set()
        self.error: int | None = None
        self.unread: list[tuple[int, int]] = []
        self._text, self._code, self._offset = text, code, offset
        self._frames: list[_Frame] = []
        self._role: Role = Role.USE
        self._fields: Fields = {}
        self._has_error = False
        self._open_errors = 0
        self._function_of_error = 0
        """Number of open errors at the function that begins in an error, or 0."""

    def run(self, tree: Tree) -> None:
        """Walk through the syntax tree of the unit.

        Raises:
            TooDeepError: If nodes nest deeper than `DEEPEST_TREE`.
        """
        cursor = tree.walk()
        first, following, parent = cursor.goto_first_child, cursor.goto_next_sibling, cursor.goto_parent
        frames, scopes, visible = self._frames, self.scopes, self.scopes.visible
        text, offset = self._text, self._offset
        self._has_error = has_error = tree.root_node.has_error
        while True:
            node = cursor.node
            assert node is not None  # noqa: S101
            kind = node.kind_id
            if has_error or kind not in LEAVES:
                fields = self._fields
                role = fields.get(cursor.field_id or 0, self._role) if fields else self._role
                if has_error:
                    role = self._visit_erroneous(node, kind, role)
                if kind in _NAMES:
                    name = text[node.start_byte + offset : node.end_byte + offset]
                    if role is _USE and (declaration := visible.get(name)) is not None:
                        declaration.used = True
                    elif name:  # The parser inserts names of length 0 for those that are missing.
                        self._visit_name(node, kind, role, name)
                elif kind not in LEAVES and (kind != INITIALIZER_LIST or scopes.function or has_error) and first():
                    if kind in _OPENING:
                        self._open(node, kind)
                    frames.append((self._role, fields, kind))
                    if len(frames) > DEEPEST_TREE:
                        raise TooDeepError
                    table, otherwise = TRANSITIONS[role]
                    self._role, self._fields = table.get(kind, otherwise)
                    continue
            while not following():
                if not parent():
                    return
                self._role, self._fields, kind = frames.pop()
                if kind in _OPENING:
                    self._close(kind)

    def _open(self, node: Node, kind: int) -> None:
        if kind == RETURN_STATEMENT:
            self.scopes.open_return()
        elif kind == ERROR:
            self._open_errors += 1
        elif kind == WHILE_STATEMENT:
            if macro := self._find_loop_macro(node):
                self.scopes.add_free(Use(macro, node.start_byte + self._offset, called=True))
        elif kind == FUNCTION_DEFINITION:
            self.scopes.open_function(node.start_byte + self._offset, node.end_byte + self._offset)
        else:
            self.scopes.open()

    def _close(self, kind: int) -> None:
        if kind == RETURN_STATEMENT:
            self.scopes.close_return()
        elif kind == ERROR:
            if self._function_of_error == self._open_errors:
                self._function_of_error = 0
                self.scopes.close()
            self._open_errors -= 1
        elif kind != WHILE_STATEMENT:
            self.scopes.close()

    def _visit_erroneous(self, node: Node, kind: int, role: Role) -> Role:
        """Prepare the visit of a node in a unit with syntax errors, and return the role of its names."""
        if (kind == ERROR or node.is_missing) and self.error is None:
            self.error = node.start_byte
        if not self._frames or self._frames[-1][2] != ERROR:
            return role
        if kind in _ROLES_IN_ERRORS:
            if kind == FUNCTION_DECLARATOR and self.scopes.function is None:
                # The function definition is not complete, so it has no node. It ends with the error.
                parent = node.parent
                stop = parent.end_byte if parent else node.end_byte
                self._function_of_error = self._open_errors
                self.scopes.open_function(node.start_byte + self._offset, stop + self._offset)
                return Role.FUNCTION
            return _ROLES_IN_ERRORS[kind]
        if not node.child_count:
            self.unread.append((node.start_byte, node.end_byte))
            return Role.UNCERTAIN
        return role

    def _visit_name(self, node: Node, kind: int, role: Role, name: str) -> None:
        scopes = self.scopes
        start = node.start_byte
        stop = node.end_byte
        position = start + self._offset
        if role is _USE:
            if scopes.function:
                self._visit_use(node, kind, name, position, scopes.function)
        elif role is _CALL:
            if not scopes.use(name):
                scopes.add_free(Use(name, position, called=True))
            self._visit_callee(name)
        elif role == Role.LOCAL:
            scopes.declare(name, position, variable=self._frames[-1][2] != FUNCTION_DECLARATOR)
        elif role == Role.MACRO_LOCAL and scopes.declares(name):
            scopes.use(name)
        elif role == Role.LABEL:
            if scopes.function:
                scopes.function.labels.add(name)
        elif role == Role.GOTO:
            if scopes.function:
                scopes.function.jumps.append((name, position))
        elif role == Role.FUNCTION:
            rewritten = self._code[start:stop] != name.encode("ascii", "replace") and name.isascii()
            if rewritten or (is_constant(name) and self._code[start - 1 : start] in (b"", b"\n")):
                # This is a macro, whose arguments alternate between types and parameters.
                self._fields = {PARAMETERS: Role.MACRO_PARAMETERS}
                if scopes.function:
                    arguments = self._code[stop : self._code.find(b"{", stop)]
                    scopes.function.macro_arguments = arguments.count(b",") + 1
            else:
                scopes.declared.add(name)
        elif role == Role.UNCERTAIN:
            scopes.use(name)
            self.uncertain.add(name)
        elif role not in _NO_DECLARATIONS and (role != Role.PARAMETERS or kind == IDENTIFIER):
            scopes.declare(name, position)

    def _visit_use(self, node: Node, kind: int, name: str, position: int, function: Function) -> None:
        around = self._frames[-1][2]
        if kind == IDENTIFIER:
            use = self._describe_use(name, position, node)
            if not (self._has_error or name.isupper()):
                use = use._replace(access=self._find_access(node.start_byte, node.end_byte))
            self.scopes.add_free(use)
            bare = around == EXPRESSION_STATEMENT
        else:
            # A type without the name of a parameter may be a macro of all parameters.
            bare = around in PARAMETER_NODES and (parent := node.parent) is not None and parent.child_count == 1
        if bare and is_constant(name):
            function.bare_macros.add(name)

    def _describe_use(self, name: str, position: int, node: Node) -> Use:
        if self._frames[-1][2] == RETURN_STATEMENT:
            return Use(name, position, alone=True)
        if name.isupper():
            return Use(name, position)
        # The argument may also be a path such as `name.member[1]`, which macros of members take. Those in capitals
        # also take `name.member - 1`.
        argument, arguments = node, node.parent
        while arguments and arguments.kind_id in LEFT_OPERANDS and arguments.start_byte == node.start_byte:
            argument, arguments = arguments, arguments.parent
        if arguments is None:
            return Use(name, position)
        if arguments.kind_id in CONDITIONS:
            return self._describe_use_in_condition(name, position, arguments)
        call = arguments.parent
        callee = call.child_by_field_id(CALLED_FUNCTION) if call and arguments.kind_id == ARGUMENT_LIST else None
        if callee is None or callee.kind_id != IDENTIFIER:
            return Use(name, position)
        start, stop = callee.start_byte, callee.end_byte
        if argument.kind_id == BINARY_EXPRESSION and not self._code[start:stop].isupper():
            return Use(name, position)
        index = sum(other.end_byte <= argument.start_byte for other in arguments.named_children)
        return Use(name, position, callee=self._text[start + self._offset : stop + self._offset], argument=index)

    def _find_access(self, start: int, stop: int) -> str:
        """Return how a name is used, from the symbols next to it."""
        if self._code[start - 1 : start] == b"&":
            return "address"
        after = self._code[stop : stop + 2]
        if after == b"->":
            return "pointer"
        if after[:1] == b"[":
            return "element"
        return "assigned" if _ASSIGNMENT.match(self._code, stop) else "value"

    def _describe_use_in_condition(self, name: str, position: int, condition: Node) -> Use:
        """Describe the use of a name that may be an argument of a loop macro, which is rewritten to `while`."""
        loop: Node | None = condition
        while loop and loop.kind_id in CONDITIONS:
            loop = loop.parent
        if loop is None or loop.kind_id != WHILE_STATEMENT or not (macro := self._find_loop_macro(loop)):
            return Use(name, position)
        index = self._code.count(b",", loop.start_byte, position - self._offset)
        return Use(name, position, callee=macro, argument=index)

    def _find_loop_macro(self, node: Node) -> str:
        """Return the macro that is rewritten to the `while` of a node, or ""."""
        word = _WORD.match(self._text, node.start_byte + self._offset)
        return word[0] if word and word[0] != "while" else ""

    def _visit_callee(self, name: str) -> None:
        frames = self._frames
        is_statement = len(frames) > 1 and frames[-2][2] == EXPRESSION_STATEMENT
        if (is_statement or name == "CLASS") and declares_arguments(name):
            self._fields = {ARGUMENTS: Role.MACRO_ARGUMENTS}

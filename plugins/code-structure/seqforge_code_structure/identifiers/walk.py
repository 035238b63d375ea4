"""Walk through a syntax tree in the order of the text, without recursion, and resolve its names in scopes.

In a unit with syntax errors, tree-sitter collects what it cannot parse in nodes of the kind ERROR. Their children are
names and other tokens, and statements that parse by themselves. The statements are resolved as usual. The role of the
names is unknown, so they are collected as uncertain.
"""

import re
from collections.abc import Callable
from typing import ClassVar

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
    LEFT_OPERANDS,
    PARAMETER_NODES,
    PARAMETERS,
    RETURN_STATEMENT,
    STEPS,
    WHILE_STATEMENT,
    Fields,
    Role,
    Table,
)
from seqforge_code_structure.identifiers.lexicon import is_constant
from seqforge_code_structure.identifiers.names import KEYWORDS, NameUse, Scopes, declares_arguments

DEEPEST_TREE = 2_000
"""Largest depth of nested nodes. Brackets are limited before parsing, but chains of `else if` or `+` also nest."""


class TooDeepError(Exception):
    """The nodes of a tree nest deeper than `DEEPEST_TREE`."""


_WORD = re.compile(r"\w++")
_ASSIGNMENT = re.compile(rb"\s*+(?:[-+|&^*/%]|<<|>>)?+=(?!=)")
_FIRST_ARGUMENT = re.compile(rb"\s*+\(\s*+([A-Za-z_]\w*+)\s*+[,)]")
_USE = Role.USE  # attributes of an enumeration are slow

_ROLES_IN_ERRORS: dict[int, Role] = {
    **dict.fromkeys(DECLARATORS, Role.LOCAL),
    **dict.fromkeys(PARAMETER_NODES, Role.PARAMETERS),
}
"""Roles of the names in nodes that lack their declaration, because it does not parse."""

_ARGUMENTS = CONDITIONS | {ARGUMENT_LIST}

_Frame = tuple[Table, Fields, bool, int]
"""Table and fields for a node and those next to it, whether the node around them opens a scope, and the node's kind."""


class Walk:
    """A walk through the tree of one unit.

    Args:
        text: The text of the unit.
        code: Rewritten code of the unit, from which the tree was parsed.
        offset: Position of the unit in the whole text.

    Attributes:
        scopes: Result of the walk.
        uncertain: Names whose role is unknown because of syntax errors.
        error: Position in the unit of the first syntax error, or None.
        keyword: The keyword at this position that the grammar takes for a name, or "".
        unread: Start and end in the unit of each token outside of all nodes that parse.
    """

    def __init__(self, text: str, code: bytes, offset: int) -> None:
        self.scopes = Scopes()
        self.uncertain: set[str] = set()
        self.error: int | None = None
        self.keyword = ""
        self.unread: list[tuple[int, int]] = []
        self._text, self._code, self._offset = text, code, offset
        self._frames: list[_Frame] = []
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
        frames, scopes, visible, text = self._frames, self.scopes, self.scopes.visible, self._text
        visits, has_error = self._VISITS, tree.root_node.has_error
        self._has_error = has_error
        table: Table = STEPS[Role.USE]
        fields: Fields = {}
        opened = False
        while True:
            node = cursor.node
            assert node is not None  # noqa: S101
            kind = node.kind_id
            step = table[kind]
            if step is not None or has_error:
                if fields:
                    step = fields.get(cursor.field_id or 0, table)[kind]
                if has_error and (changed := self._visit_erroneous(node, kind)) is not None:
                    step = STEPS[changed][kind]
            if step is not None:
                role, children, others, opens = step
                if role is not None:
                    name = text[node.start_byte : node.end_byte]
                    if name in KEYWORDS and role != Role.IGNORED:
                        self._reject(node, name)
                    elif role is _USE and (declaration := visible.get(name)) is not None:
                        declaration.used = True
                    elif name:  # The parser inserts names of length 0 for those that are missing.
                        fields = visits[role](self, node, name) or fields
                elif (kind != INITIALIZER_LIST or scopes.function or has_error) and first():
                    if opens:
                        self._open(node, kind)
                    frames.append((table, fields, opened, kind))
                    if len(frames) > DEEPEST_TREE:
                        raise TooDeepError
                    table, fields, opened = children, others, opens
                    continue
            while not following():
                if not parent():
                    return
                closes = opened
                table, fields, opened, kind = frames.pop()
                if closes:
                    self._close(kind)

    def _reject(self, node: Node, keyword: str) -> None:
        """Make a keyword that the grammar takes for a name a syntax error, except in an argument of a macro."""
        if any(frame[-1] in _ARGUMENTS for frame in self._frames):
            return
        if self.error is None or node.start_byte < self.error:
            self.error, self.keyword = node.start_byte, keyword

    def _open(self, node: Node, kind: int) -> None:
        if kind == RETURN_STATEMENT:
            self.scopes.returns += 1
        elif kind == ERROR:
            self._open_errors += 1
        elif kind == WHILE_STATEMENT:
            if macro := self._find_loop_macro(node):
                self.scopes.add_free(NameUse(macro, node.start_byte + self._offset, called=True))
        elif kind == FUNCTION_DEFINITION:
            self.scopes.open_function(node.start_byte + self._offset, node.end_byte + self._offset)
        else:
            self.scopes.open()

    def _close(self, kind: int) -> None:
        if kind == RETURN_STATEMENT:
            self.scopes.returns -= 1
        elif kind == ERROR:
            if self._function_of_error == self._open_errors:
                self._function_of_error = 0
                self.scopes.close()
            self._open_errors -= 1
        elif kind != WHILE_STATEMENT:
            self.scopes.close()

    def _visit_erroneous(self, node: Node, kind: int) -> Role | None:
        """Prepare the visit of a node in a unit with syntax errors, and return the role of its names if it changes."""
        if (kind == ERROR or node.is_missing) and self.error is None:
            self.error = node.start_byte
        if not self._frames or self._frames[-1][-1] != ERROR:
            return None
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
        return None

    def _visit_use(self, node: Node, name: str) -> None:
        if self.scopes.function is not None and node.kind_id == IDENTIFIER:
            self._add_use(node, name, self._frames[-1][-1])

    def _visit_callee(self, node: Node, name: str) -> Fields | None:
        if not self.scopes.use(name):
            self.scopes.add_free(NameUse(name, node.start_byte + self._offset, called=True))
        frames = self._frames
        is_statement = len(frames) > 1 and frames[-2][-1] == EXPRESSION_STATEMENT
        declares = (is_statement or name == "CLASS") and declares_arguments(name)
        return {ARGUMENTS: STEPS[Role.MACRO_ARGUMENTS]} if declares else None

    def _visit_declared(self, node: Node, name: str) -> None:
        self.scopes.declare(name, node.start_byte + self._offset)

    def _visit_local(self, node: Node, name: str) -> None:
        if name in self.scopes.visible and self._has_macro_type(node):
            self.scopes.use(name)
            return
        variable = self._frames[-1][-1] != FUNCTION_DECLARATOR
        self.scopes.declare(name, node.start_byte + self._offset, variable=variable)

    def _has_macro_type(self, node: Node) -> bool:
        """Return whether the type of a declaration is a call of a macro, which is probably a statement of its own."""
        parent = node.parent
        while parent is not None and parent.type != "declaration":
            parent = parent.parent
        kind = parent.child_by_field_name("type") if parent else None
        return kind is not None and kind.type == "macro_type_specifier"

    def _visit_macro_local(self, node: Node, name: str) -> None:
        if not self.scopes.use(name):
            self._visit_declared(node, name)

    def _visit_parameters(self, node: Node, name: str) -> None:
        if node.kind_id == IDENTIFIER:
            self._visit_declared(node, name)

    def _visit_label(self, node: Node, name: str) -> None:
        if self.scopes.function:
            self.scopes.function.labels.add(name)
            self.scopes.function.label_places.append((name, node.start_byte + self._offset))

    def _visit_goto(self, node: Node, name: str) -> None:
        if self.scopes.function:
            self.scopes.function.jumps.append((name, node.start_byte + self._offset))

    def _visit_function(self, node: Node, name: str) -> Fields | None:
        code, start, stop = self._code, node.start_byte, node.end_byte
        rewritten = code[start:stop] != name.encode("ascii", "replace") and name.isascii()
        if not (rewritten or (is_constant(name) and code[start - 1 : start] in (b"", b"\n"))):
            self.scopes.declared.add(name)
            return None
        # This is a macro, whose arguments alternate between types and parameters. The first one may name the function.
        if first := _FIRST_ARGUMENT.match(code, stop):
            self.scopes.declared.add(self._text[first.start(1) : first.end(1)])
        if self.scopes.function:
            self.scopes.function.macro_arguments = code.count(b",", stop, code.find(b"{", stop)) + 1
        return {PARAMETERS: STEPS[Role.MACRO_PARAMETERS]}

    def _visit_uncertain(self, _node: Node, name: str) -> None:
        self.scopes.use(name)
        self.uncertain.add(name)

    def _visit_ignored(self, _node: Node, _name: str) -> None:
        pass

    def _add_use(self, node: Node, name: str, around: int) -> None:
        """Add the use of a name that no scope declares."""
        start, stop = node.start_byte, node.end_byte
        alone, constant = around == RETURN_STATEMENT, name.isupper()
        callee, argument = ("", 0) if alone or constant else self._find_callee(node)
        access = "" if constant or self._has_error else self._find_access(start, stop)
        use = NameUse(name, start + self._offset, False, False, alone, callee, argument, access)
        self.scopes.add_free(use)

    def _find_callee(self, node: Node) -> tuple[str, int]:
        """Return the function or macro of which a name is a whole argument, and the index of this argument."""
        # The argument may also be a path such as `name.member[1]`, which macros of members take. Those in capitals
        # also take `name.member - 1`.
        argument, arguments = node, node.parent
        while arguments and arguments.kind_id in LEFT_OPERANDS and arguments.start_byte == node.start_byte:
            argument, arguments = arguments, arguments.parent
        if arguments is None:
            return "", 0
        if arguments.kind_id in CONDITIONS:
            return self._find_loop_of_condition(node, arguments)
        call = arguments.parent
        callee = call.child_by_field_id(CALLED_FUNCTION) if call and arguments.kind_id == ARGUMENT_LIST else None
        if callee is None or callee.kind_id != IDENTIFIER:
            return "", 0
        start, stop = callee.start_byte, callee.end_byte
        if argument.kind_id == BINARY_EXPRESSION and not self._code[start:stop].isupper():
            return "", 0
        index = sum(other.end_byte <= argument.start_byte for other in arguments.named_children)
        return self._text[start:stop], index

    def _find_loop_of_condition(self, node: Node, condition: Node) -> tuple[str, int]:
        """Return the macro that is rewritten to the `while` of a condition, and the index of the argument."""
        loop: Node | None = condition
        while loop and loop.kind_id in CONDITIONS:
            loop = loop.parent
        if loop is None or loop.kind_id != WHILE_STATEMENT or not (macro := self._find_loop_macro(loop)):
            return "", 0
        return macro, self._code.count(b",", loop.start_byte, node.start_byte)

    def _find_loop_macro(self, node: Node) -> str:
        """Return the macro that is rewritten to the `while` of a node, or ""."""
        word = _WORD.match(self._text, node.start_byte)
        return word[0] if word and word[0] != "while" else ""

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

    _VISITS: ClassVar[tuple[Callable[..., Fields | None], ...]] = tuple(
        {
            **dict.fromkeys(Role, _visit_declared),
            Role.USE: _visit_use,
            Role.CALL: _visit_callee,
            Role.LOCAL: _visit_local,
            Role.PARAMETERS: _visit_parameters,
            Role.FUNCTION: _visit_function,
            Role.LABEL: _visit_label,
            Role.GOTO: _visit_goto,
            Role.IGNORED: _visit_ignored,
            Role.MACRO_LOCAL: _visit_macro_local,
            Role.MEMBER: _visit_ignored,
            Role.UNCERTAIN: _visit_uncertain,
        }.values()
    )
    """For each role, what to do at a name. The result is the fields that follow, if the name changes them."""

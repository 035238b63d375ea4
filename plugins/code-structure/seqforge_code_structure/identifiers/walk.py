"""Walk through a syntax tree in the order of the text, without recursion, and resolve its names in scopes."""

import re
from functools import lru_cache

from tree_sitter import Node, Tree

from seqforge_code_structure.identifiers.grammar import (
    ARGUMENTS,
    EXPRESSION_STATEMENT,
    FUNCTION_DECLARATOR,
    FUNCTION_DEFINITION,
    IDENTIFIER,
    LEAVES,
    PARAMETERS,
    RETURN_STATEMENT,
    SCOPES,
    STATEMENT_IDENTIFIER,
    TRANSITIONS,
    TYPE_IDENTIFIER,
    Fields,
    Role,
)
from seqforge_code_structure.identifiers.names import Scopes

DEEPEST_TREE = 2_000
"""Largest depth of nested nodes. Brackets are limited before parsing, but chains of `else if` or `+` also nest."""
_DECLARING_MACRO = re.compile(
    r"\w*(?:DECLARE|DEFINE)\w*|\w*_HEAD|\w*ON_?STACK\w*|CLASS|\w*ALLOC_\w*|\w*_ALLOC|\w*_DECL\w*|\w*_REQUEST"
)


@lru_cache(maxsize=65_536)
def declares_arguments(macro: str) -> bool:
    """Return whether a macro that is used as a statement declares its arguments, as `LIST_HEAD(list);` does."""
    return _DECLARING_MACRO.fullmatch(macro) is not None


class TooDeepError(Exception):
    """The nodes of a tree nest deeper than `DEEPEST_TREE`."""


_NAMES = frozenset({IDENTIFIER, TYPE_IDENTIFIER, STATEMENT_IDENTIFIER})
_OPENING = SCOPES | {RETURN_STATEMENT}

_Frame = tuple[Role, Fields, int]


class Walk:
    """A walk through the tree of one unit.

    Args:
        text: The text that contains the unit.
        code: Rewritten code of the unit, from which the tree was parsed.
        offset: Position of the unit in the text.

    Attributes:
        scopes: Result of the walk.
    """

    def __init__(self, text: str, code: bytes, offset: int) -> None:
        self.scopes = Scopes()
        self._text, self._code, self._offset = text, code, offset
        self._frames: list[_Frame] = []
        self._role: Role = Role.USE
        self._fields: Fields = {}

    def run(self, tree: Tree) -> None:
        """Walk through the syntax tree of the unit.

        Raises:
            TooDeepError: If nodes nest deeper than `DEEPEST_TREE`.
        """
        cursor = tree.walk()
        first, following, parent = cursor.goto_first_child, cursor.goto_next_sibling, cursor.goto_parent
        frames = self._frames
        while True:
            node = cursor.node
            assert node is not None  # noqa: S101
            kind = node.kind_id
            fields = self._fields
            role = fields.get(cursor.field_id or 0, self._role) if fields else self._role
            if kind in _NAMES:
                self._visit_name(node, kind, role)
            elif kind not in LEAVES and first():
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
        elif kind == FUNCTION_DEFINITION:
            self.scopes.open_function(node.start_byte + self._offset, node.end_byte + self._offset)
        else:
            self.scopes.open()

    def _close(self, kind: int) -> None:
        if kind == RETURN_STATEMENT:
            self.scopes.close_return()
        else:
            self.scopes.close()

    def _visit_name(self, node: Node, kind: int, role: Role) -> None:
        scopes = self.scopes
        start = node.start_byte
        stop = node.end_byte
        position = start + self._offset
        name = self._text[position : stop + self._offset]
        if role == Role.USE:
            if kind == IDENTIFIER:
                scopes.use(name, position, alone=self._frames[-1][2] == RETURN_STATEMENT)
            else:
                scopes.mention(name)
        elif role == Role.CALL:
            scopes.use(name, position, called=True)
            self._visit_callee(name)
        elif role == Role.LOCAL:
            scopes.declare(name, position, variable=self._frames[-1][2] != FUNCTION_DECLARATOR)
        elif role == Role.MACRO_LOCAL and scopes.declares(name):
            scopes.use(name, position)
        elif role == Role.LABEL:
            if scopes.function:
                scopes.function.labels.add(name)
        elif role == Role.GOTO:
            if scopes.function:
                scopes.function.jumps.append((name, position))
        elif role == Role.FUNCTION:
            if self._code[start:stop] != name.encode("ascii", "replace"):
                # This is a rewritten macro, whose arguments alternate between types and parameters.
                self._fields = {PARAMETERS: Role.MACRO_PARAMETERS}
            else:
                scopes.declared.add(name)
        elif role != Role.IGNORED and (role != Role.PARAMETERS or kind == IDENTIFIER):
            scopes.declare(name, position)

    def _visit_callee(self, name: str) -> None:
        frames = self._frames
        is_statement = len(frames) > 1 and frames[-2][2] == EXPRESSION_STATEMENT
        if (is_statement or name == "CLASS") and declares_arguments(name):
            self._fields = {ARGUMENTS: Role.MACRO_ARGUMENTS}

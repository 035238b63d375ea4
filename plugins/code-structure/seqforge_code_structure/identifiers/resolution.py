"""Resolve the names of a unit in their scopes.

A query of tree-sitter finds the names, and the nodes around them that give them a meaning. `Resolution` visits both in
the order of the text. In a unit with syntax errors, tree-sitter collects what it cannot parse in nodes of the kind
ERROR. Their children are names and other tokens, and statements that parse by themselves. The statements are resolved
as usual. The role of the names is unknown, so they are collected as uncertain.
"""

import re
from collections.abc import Callable
from typing import ClassVar, NamedTuple

from tree_sitter import Node, Tree

from seqforge_code_structure.identifiers.lexicon import is_constant
from seqforge_code_structure.identifiers.names import KEYWORDS, NameUse, Scopes, declares_arguments
from seqforge_code_structure.syntax import find_captures, follow_declarator, read_query

_QUERY = read_query("identifiers/names.scm")
_NAMES = ("identifier", "type_identifier", "statement_identifier")
_PATHS = ("identifier", "field_expression", "subscript_expression", "binary_expression")
"""Kinds of arguments that may begin with a name which a macro takes."""
_WORD = re.compile(r"\w++")
_ASSIGNMENT = re.compile(rb"\s*+(?:[-+|&^*/%]|<<|>>)?+=(?!=)")
_FIRST_ARGUMENT = re.compile(rb"\s*+\(\s*+([A-Za-z_]\w*+)\s*+[,)]")


class _Argument(NamedTuple):
    """An argument of a call, or of a loop that is a macro."""

    callee: str
    position: int
    kind: str


class Resolution:
    """The names of one unit.

    Args:
        text: The text of the unit.
        code: Rewritten code of the unit, from which the tree was parsed.
        offset: Position of the unit in the whole text.

    Attributes:
        scopes: Declarations and uses of the names.
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
        self._has_error = False
        self._stops: dict[str, int] = {}
        """End of the last node of each capture. A position before it is inside of that node."""
        self._callee = ""
        """The function that the next arguments belong to."""
        self._arguments: dict[int, _Argument] = {}
        """Arguments of calls by their position."""
        self._macro_locals: set[int] = set()
        """Positions of names that a macro declares."""
        self._parameters: dict[int, str] = {}
        """Captures of the parameter lists of functions that are defined, by their position."""
        self._functions: set[int] = set()
        """Positions of the names of these functions."""

    def resolve(self, tree: Tree) -> None:
        """Visit the names in the syntax tree of the unit."""
        self._has_error = tree.root_node.has_error
        self.error = _find_error(tree.root_node)
        scopes, names, nodes = self.scopes, self.VISITS_OF_NAMES, self.VISITS_OF_NODES
        for node, capture in find_captures(_QUERY, tree.root_node):
            start, stop = node.start_byte, node.end_byte
            scopes.move(start + self._offset)
            if (visit_name := names.get(capture)) is None:
                if (visit_node := nodes.get(capture)) is not None:
                    visit_node(self, node)
                else:
                    self._enter(capture, stop)
            # The parser inserts names of length 0 for those that are missing.
            elif start < stop and not self._is_inside("ignored", start):
                name = self._text[start:stop]
                if name in KEYWORDS:
                    self._reject(start, name)
                elif self._is_inside("macro_parameters", start):
                    self._visit_enumerator(start, name)
                else:
                    visit_name(self, start, name)

    def _enter(self, capture: str, stop: int) -> None:
        self._stops[capture] = max(stop, self._stops.get(capture, 0))

    def _is_inside(self, capture: str, start: int) -> bool:
        return start < self._stops.get(capture, 0)

    def _reject(self, start: int, keyword: str) -> None:
        """Make a keyword that the grammar takes for a name a syntax error, except in an argument of a macro."""
        if not self._is_inside("brackets", start) and (self.error is None or start < self.error):
            self.error, self.keyword = start, keyword

    def _visit_unread(self, node: Node) -> None:
        if node.child_count:
            return
        start, stop = node.start_byte, node.end_byte
        self.unread.append((start, stop))
        if node.type in _NAMES and (name := self._text[start:stop]):
            if name in KEYWORDS:
                self._reject(start, name)
            else:
                self.scopes.use(name)
                self.uncertain.add(name)

    def _visit_block(self, node: Node) -> None:
        self.scopes.open(node.end_byte + self._offset)

    def _visit_function(self, node: Node) -> None:
        self._open_function(node, node.child_by_field_name("declarator"), node.end_byte)

    def _visit_head(self, node: Node) -> None:
        """Open a function whose definition is not complete, so that it has no node. It ends with the error."""
        if self.scopes.function is None:
            parent = node.parent
            self._open_function(node, node, parent.end_byte if parent else node.end_byte)

    def _open_function(self, node: Node, declarator: Node | None, stop: int) -> None:
        self.scopes.open_function(node.start_byte + self._offset, stop + self._offset)
        capture = "own_parameters"
        for each in reversed(follow_declarator(declarator)):
            if each.type == "identifier":
                self._functions.add(each.start_byte)
                capture = "macro_parameters" if self._names_macro(each) else capture
            elif (parameters := each.child_by_field_name("parameters")) is not None:
                self._parameters[parameters.start_byte] = capture

    def _names_macro(self, node: Node) -> bool:
        """Declare the function of this name, and return whether the name is that of a macro that defines it."""
        code, start, stop = self._code, node.start_byte, node.end_byte
        name = self._text[start:stop]
        rewritten = code[start:stop] != name.encode("ascii", "replace") and name.isascii()
        if not (rewritten or (is_constant(name) and code[start - 1 : start] in (b"", b"\n"))):
            self.scopes.declared.add(name)
            return False
        # The arguments of a macro alternate between types and parameters. The first one may name the function.
        if first := _FIRST_ARGUMENT.match(code, stop):
            self.scopes.declared.add(self._text[first.start(1) : first.end(1)])
        if self.scopes.function:
            self.scopes.function.macro_arguments = code.count(b",", stop, code.find(b"{", stop)) + 1
        return True

    def _visit_parameters(self, node: Node) -> None:
        """Visit parameters of a function that is defined, or ignore those of a prototype."""
        self._enter(self._parameters.get(node.start_byte, "ignored"), node.end_byte)

    def _visit_loop(self, node: Node) -> None:
        """Visit a loop, which may be a macro that is rewritten to a `while`."""
        word = _WORD.match(self._text, node.start_byte)
        if word is None or word[0] == "while":
            return
        self.scopes.add_free(NameUse(word[0], node.start_byte + self._offset, called=True))
        condition = node.child_by_field_name("condition")
        inside = condition.named_children if condition else []
        arguments: list[Node] = []
        while inside and inside[0].type == "comma_expression":
            first, *inside = inside[0].named_children
            arguments.append(first)
        self._add_arguments(word[0], [*arguments, *inside])

    def _visit_arguments(self, node: Node) -> None:
        """Visit the arguments of a function or macro whose name is the last one that was called."""
        self._enter("brackets", node.end_byte)
        self._add_arguments(self._callee, node.named_children)

    def _visit_macro_arguments(self, node: Node) -> None:
        """Visit the arguments of a statement that may be a macro which declares them."""
        self._visit_arguments(node)
        if declares_arguments(self._callee):
            for argument in node.named_children:
                while argument.type == "pointer_expression" and (inside := argument.child_by_field_name("argument")):
                    argument = inside
                if argument.type == "identifier":
                    self._macro_locals.add(argument.start_byte)

    def _add_arguments(self, callee: str, arguments: list[Node]) -> None:
        for index, argument in enumerate(arguments):
            self._arguments[argument.start_byte] = _Argument(callee, index, argument.type)

    def _visit_use(self, start: int, name: str, alone: bool = False) -> None:
        if self.scopes.use(name):
            return
        if start in self._macro_locals:
            self._visit_enumerator(start, name)
        elif self.scopes.function is not None:
            constant = name.isupper()
            argument = None if alone or constant else self._arguments.get(start)
            callee, index, kind = argument or _Argument("", 0, "")
            # Macros of members take a path such as `name.member[1]`. Those in capitals also take `name.member - 1`.
            if kind not in _PATHS or (kind == "binary_expression" and not callee.isupper()):
                callee, index = "", 0
            access = "" if constant or self._has_error else self._find_access(start, start + len(name))
            returned = self._is_inside("return", start)
            use = NameUse(name, start + self._offset, False, returned, alone, callee, index, access)
            self.scopes.add_free(use)

    def _visit_returned(self, start: int, name: str) -> None:
        self._visit_use(start, name, alone=True)

    def _visit_type(self, _start: int, name: str) -> None:
        self.scopes.use(name)

    def _visit_called(self, start: int, name: str) -> None:
        self._callee = name
        if not self.scopes.use(name):
            returned = self._is_inside("return", start)
            self.scopes.add_free(NameUse(name, start + self._offset, called=True, returned=returned))

    def _visit_enumerator(self, start: int, name: str) -> None:
        self.scopes.declare(name, start + self._offset)

    def _visit_declared(self, start: int, name: str, variable: bool = True) -> None:
        if start in self._functions:
            return
        if self._is_inside("macro_declaration", start) and self.scopes.use(name):
            return  # The type is a macro, which is probably a statement of its own.
        variable = variable and not self._is_inside("typedef", start) and not self._is_inside("own_parameters", start)
        self.scopes.declare(name, start + self._offset, variable=variable)

    def _visit_declared_function(self, start: int, name: str) -> None:
        self._visit_declared(start, name, variable=False)

    def _visit_label(self, start: int, name: str) -> None:
        if self.scopes.function:
            self.scopes.function.labels.add(name)
            self.scopes.function.label_places.append((name, start + self._offset))

    def _visit_goto(self, start: int, name: str) -> None:
        if self.scopes.function:
            self.scopes.function.jumps.append((name, start + self._offset))

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

    VISITS_OF_NODES: ClassVar[dict[str, Callable[["Resolution", Node], None]]] = {
        "function": _visit_function,
        "head": _visit_head,
        "block": _visit_block,
        "loop": _visit_loop,
        "parameters": _visit_parameters,
        "arguments": _visit_arguments,
        "macro_arguments": _visit_macro_arguments,
        "unread": _visit_unread,
    }
    VISITS_OF_NAMES: ClassVar[dict[str, Callable[["Resolution", int, str], None]]] = {
        "use": _visit_use,
        "type": _visit_type,
        "returned": _visit_returned,
        "called": _visit_called,
        "declared": _visit_declared,
        "declared_function": _visit_declared_function,
        "enumerator": _visit_enumerator,
        "label": _visit_label,
        "goto": _visit_goto,
    }
    """What to do at each capture of a name."""


def resolve_names(text: str, code: bytes, offset: int, tree: Tree) -> Resolution:
    """Resolve the names in the syntax tree of a unit. The other arguments are those of `Resolution`."""
    resolution = Resolution(text, code, offset)
    resolution.resolve(tree)
    return resolution


def _find_error(root: Node) -> int | None:
    """Return the position of the first syntax error, or None."""
    node: Node | None = root
    while node is not None and node.has_error and not (node.is_error or node.is_missing):
        node = next((child for child in node.children if child.has_error), None)
    return node.start_byte if node is not None and node.has_error else None

"""Resolve the names of a unit in their scopes.

`Resolution` visits the names, and the nodes around them that give them a meaning, in the order of the text. In a unit
with syntax errors, tree-sitter collects what it cannot parse in nodes of the kind ERROR. Their children are names and
other tokens, and statements that parse by themselves. The statements are resolved as usual. The role of the names is
unknown, so they are collected as uncertain.
"""

import re
import sys
from collections.abc import Callable
from functools import partial
from typing import ClassVar, NamedTuple

from tree_sitter import Node, Query

from seqforge_code_structure.identifiers.names import KEYWORDS, Call, NameUse, Scopes
from seqforge_code_structure.syntax import (
    LANGUAGE,
    Captures,
    find_captures,
    follow_declarator,
    list_names,
    order_captures,
    text_of,
)

_REGIONS = ("ignored", "macro_parameters", "own_parameters", "pasted", "return", "typedef")
"""Captures of nodes that give all names inside them a meaning."""
_KINDS_OF_NAMES = ("identifier", "type_identifier", "statement_identifier")
_PATHS = ("identifier", "field_expression", "subscript_expression", "binary_expression")
"""Kinds of arguments that may begin with a name which a macro takes."""
_BRACKETS = Query(LANGUAGE, "[(argument_list) (parenthesized_expression)] @brackets")
_WORD = re.compile(r"\w++")
_CALL = re.compile(rb"\s*+\(")
_DECLARING_MACRO = re.compile(
    r"\w*(?:DECLARE|DEFINE)\w*|\w*_HEAD|\w*ON_?STACK\w*|CLASS|\w*ALLOC_\w*|\w*_ALLOC|\w*_DECL\w*|\w*_REQUEST"
    r"|\w*_STATE|XA_STATE\w*|\w*_ITERATOR|RADIX_TREE"
)
"""A macro that declares its arguments if it is used as a statement, as `LIST_HEAD(list);` does."""


class _Argument(NamedTuple):
    """An argument of a call, or of a loop that is a macro: what is called, the index of the argument, and its kind."""

    callee: str = ""
    place: int = 0
    kind: str = ""


class Resolution:
    """The names of one unit.

    Args:
        text: The text that contains the unit.
        code: Compiled code of the text.

    Attributes:
        scopes: Declarations and uses of the names.
        calls: Calls of functions.
        parameters: Name and number of parameters of each defined function; None if it takes any number.
        uncertain: Names whose role is unknown because of syntax errors.
        error: Position of the first syntax error, or None.
        keyword: The keyword at this position that the grammar takes for a name, or "".
        unread: Start and end of each token outside of all nodes that parse.
    """

    def __init__(self, text: str, code: bytes) -> None:
        self.scopes = Scopes()
        self.calls: list[Call] = []
        self.parameters: list[tuple[str, int | None]] = []
        self.uncertain: set[str] = set()
        self.error: int | None = None
        self.keyword = ""
        self.unread: list[tuple[int, int]] = []
        self._text, self._code = text, code
        self._root: Node
        self._brackets: list[tuple[int, int]] | None = None
        """Start and end of round brackets, the first one last, from the first that are not over."""
        self._stops: dict[str, int] = dict.fromkeys(_REGIONS, 0)
        """End of the last region of each kind. A position before it is inside of the region."""
        self._callee, self._callee_start = "", 0
        """The function that the next arguments belong to."""
        self._open_arguments: list[tuple[int, str, Node | None]] = []
        """For each open list of arguments, its end, what is called, and its node until it is read."""
        self._arguments: dict[int, _Argument] = {}
        """Arguments that were read, by their position."""
        self._macro_locals: set[int] = set()
        """Positions of names that a macro declares."""
        self._parameters: dict[int, str] = {}
        """Captures of the parameter lists of functions that are defined, by their position."""
        self._functions: set[int] = set()
        """Positions of the names of these functions."""

    def resolve(self, root: Node, captures: Captures) -> None:
        """Visit the names in the syntax tree of the unit, which are among the captures of `unit.scm`."""
        self._root = root
        self.error = _find_error(root)
        text, scopes, stops, visible = self._text, self.scopes, self._stops, self.scopes.visible
        visits = self.VISITS_OF_NAMES
        waiting = order_captures(captures, _NODES)[::-1]
        places = _find_names(captures)
        next_node = 0
        for start in sorted(places):
            if start >= next_node:
                while waiting and waiting[-1][0] <= start:
                    self._visit_node(*waiting.pop())
                next_node = waiting[-1][0] if waiting else sys.maxsize
            if start >= scopes.stop:
                scopes.move(start)
            stop, capture = places[start]
            # The parser inserts names of length 0 for those that are missing.
            if start == stop or (start < stops["ignored"] and capture != "unread"):
                continue
            name = text[start:stop]
            if name in KEYWORDS:
                self._reject(start, name)
            elif start < stops["macro_parameters"]:
                scopes.declare(name, start)
            elif capture == "use" and (declaration := visible.get(name)) is not None:
                declaration.used = True  # as `_visit_use` does, for most names
            else:
                visits[capture](self, start, name)
        while waiting:
            self._visit_node(*waiting.pop())

    def _visit_node(self, start: int, negative_stop: int, capture: str, node: Node) -> None:
        if start >= self.scopes.stop:
            self.scopes.move(start)
        if (visit := self.VISITS_OF_NODES.get(capture)) is not None:
            visit(self, node)
        else:
            self._enter(capture, -negative_stop)

    def _enter(self, capture: str, stop: int) -> None:
        self._stops[capture] = max(stop, self._stops[capture])

    def _reject(self, start: int, keyword: str) -> None:
        """Make a keyword that the grammar takes for a name a syntax error, except in an argument of a macro."""
        if (self.error is None or start < self.error) and not self._is_in_brackets(start):
            self.error, self.keyword = start, keyword

    def _is_in_brackets(self, start: int) -> bool:
        """Return whether a position after those of earlier calls is inside round brackets."""
        if self._brackets is None:  # Few units have such keywords.
            found = find_captures(self._root, _BRACKETS).get("brackets", ())
            self._brackets = sorted(((node.start_byte, node.end_byte) for node in found), reverse=True)
        while self._brackets and self._brackets[-1][1] <= start:
            self._brackets.pop()
        return bool(self._brackets) and self._brackets[-1][0] <= start

    def _visit_unread(self, node: Node) -> None:
        if not node.child_count and node.type not in _KINDS_OF_NAMES:
            self.unread.append((node.start_byte, node.end_byte))

    def _visit_unread_name(self, start: int, name: str) -> None:
        self.unread.append((start, start + len(name)))
        self.scopes.use(name)
        self.uncertain.add(name)

    def _visit_head(self, node: Node) -> None:
        """Open a function whose definition is not complete, so that it has no node. It ends with the error."""
        if self.scopes.function is None:
            parent = node.parent
            self._open_function(node, node, parent.end_byte if parent else node.end_byte)

    def _open_function(self, node: Node, declarator: Node | None, stop: int) -> None:
        self.scopes.open_function(node.start_byte, stop)
        capture, function = "own_parameters", ""
        for each in reversed(follow_declarator(declarator)):
            if each.type == "identifier":
                begin, end = each.start_byte, each.end_byte
                self._functions.add(begin)
                if self._code[begin:end] != each.text:  # The rewriting has replaced a macro that defines the function.
                    capture = "macro_parameters"
                else:
                    self.scopes.declared.add(self._text[begin:end])
                    function = text_of(each)
            elif (parameters := each.child_by_field_name("parameters")) is not None:
                self._parameters[parameters.start_byte] = capture
                if capture == "macro_parameters" and self.scopes.function:
                    self.scopes.function.macro_arguments = max(1, parameters.named_child_count)
                if function:
                    self.parameters.append((function, _count_parameters(parameters)))
                    function = ""

    def _visit_parameters(self, node: Node) -> None:
        """Visit parameters of a function that is defined, or ignore those of a prototype."""
        self._enter(self._parameters.get(node.start_byte, "ignored"), node.end_byte)

    def _visit_loop(self, node: Node) -> None:
        """Visit a loop, which may be a macro that is rewritten to a `while`."""
        word = _WORD.match(self._text, node.start_byte)
        if word is None or word[0] == "while":
            return
        self.scopes.add_free(NameUse(word[0], node.start_byte, called=True))
        if condition := node.child_by_field_name("condition"):
            self._open_arguments.append((condition.end_byte, word[0], condition))

    def _visit_arguments(self, node: Node) -> None:
        """Visit the arguments of a function or macro whose name is the last one that was called."""
        stop = node.end_byte
        self._open_arguments.append((stop, self._callee, node))
        self.calls.append(Call(self._callee, self._callee_start, stop, node.named_child_count))

    def _visit_macro_arguments(self, node: Node) -> None:
        """Visit the arguments of a statement that may be a macro which declares them, or pastes them to a callee."""
        self._visit_arguments(node)
        if _CALL.match(self._code, node.end_byte):  # `node.parent` searches from the root
            self._enter("pasted", node.end_byte)
        if _DECLARING_MACRO.fullmatch(self._callee):
            for argument in node.named_children:
                while argument.type == "pointer_expression" and (inside := argument.child_by_field_name("argument")):
                    argument = inside
                if argument.type == "identifier":
                    self._macro_locals.add(argument.start_byte)

    def _find_argument(self, start: int) -> _Argument:
        """Return the argument of a call that begins at a position, or one without a callee."""
        waiting = self._open_arguments
        while waiting and waiting[-1][0] <= start:
            waiting.pop()
        if waiting and (node := waiting[-1][2]):
            stop, callee, _ = waiting.pop()
            waiting.append((stop, callee, None))
            inside = node.named_children
            arguments: list[Node] = []
            while inside and inside[0].type == "comma_expression":  # in the head of a loop
                first, *inside = inside[0].named_children
                arguments.append(first)
            for index, argument in enumerate([*arguments, *inside]):
                self._arguments[argument.start_byte] = _Argument(callee, index, argument.type)
        return self._arguments.get(start, _Argument())

    def _visit_use(self, start: int, name: str, alone: bool = False) -> None:
        if self.scopes.use(name):
            return
        if start in self._macro_locals:
            self.scopes.declare(name, start)
        elif self.scopes.function is not None and start >= self._stops["pasted"]:
            constant = name.isupper()
            callee, index, kind = _Argument() if alone or constant else self._find_argument(start)
            # Macros of members take a path such as `name.member[1]`. Those in capitals also take `name.member - 1`.
            if kind not in _PATHS or (kind == "binary_expression" and not callee.isupper()):
                callee, index = "", 0
            returned = start < self._stops["return"]
            self.scopes.add_free(NameUse(name, start, False, returned, alone, callee, index))

    def _visit_called(self, start: int, name: str) -> None:
        self._callee, self._callee_start = name, start
        if not self.scopes.use(name):
            self.scopes.add_free(NameUse(name, start, True, start < self._stops["return"]))

    def _visit_declared(self, start: int, name: str, variable: bool = True) -> None:
        if start in self._functions:
            return
        variable = variable and start >= max(self._stops["typedef"], self._stops["own_parameters"])
        self.scopes.declare(name, start, variable=variable)

    def _visit_label(self, start: int, name: str) -> None:
        if self.scopes.function:
            self.scopes.function.labels.add(name)
            self.scopes.function.label_places.append((name, start))

    def _visit_goto(self, start: int, name: str) -> None:
        if self.scopes.function:
            self.scopes.function.jumps.append((name, start))

    VISITS_OF_NODES: ClassVar[dict[str, Callable[["Resolution", Node], None]]] = {
        "function": lambda self, node: self._open_function(node, node.child_by_field_name("declarator"), node.end_byte),
        "head": _visit_head,
        "block": lambda self, node: self.scopes.open(node.end_byte),
        "loop": _visit_loop,
        "parameters": _visit_parameters,
        "arguments": _visit_arguments,
        "macro_arguments": _visit_macro_arguments,
        "unread": _visit_unread,
    }
    VISITS_OF_NAMES: ClassVar[dict[str, Callable[["Resolution", int, str], object]]] = {
        "use": _visit_use,
        "type": lambda self, _, name: self.scopes.use(name),
        "unread": _visit_unread_name,
        "returned": partial(_visit_use, alone=True),
        "called": _visit_called,
        "declared": _visit_declared,
        "declared_function": partial(_visit_declared, variable=False),
        "enumerator": lambda self, start, name: self.scopes.declare(name, start),
        "label": _visit_label,
        "goto": _visit_goto,
    }
    """What to do at each capture of a name."""


_NAMES = [name for name in list_names() if name in Resolution.VISITS_OF_NAMES]
_NODES = [name for name in list_names() if name in {*Resolution.VISITS_OF_NODES, *_REGIONS}]


def _find_names(captures: Captures) -> dict[int, tuple[int, str]]:
    """Return the end of each name and the last of its captures, by its start."""
    found: dict[int, tuple[int, str]] = {}
    for capture in _NAMES:
        nodes = captures.get(capture, [])
        if capture == "unread":
            nodes = [node for node in nodes if node.type in _KINDS_OF_NAMES]
        for node in nodes:
            found[node.start_byte] = node.end_byte, capture
    return found


def _count_parameters(node: Node) -> int | None:
    given = node.named_children
    if len(given) == 1 and given[0].text == b"void":
        return 0
    # One without a name may be a macro that stands for several.
    is_named = (each.type == "parameter_declaration" and each.child_by_field_name("declarator") for each in given)
    return len(given) if given and all(is_named) else None


def _find_error(root: Node) -> int | None:
    """Return the position of the first syntax error, or None."""
    node: Node | None = root
    while node is not None and node.has_error and not (node.is_error or node.is_missing):
        node = next((child for child in node.children if child.has_error), None)
    return node.start_byte if node is not None and node.has_error else None

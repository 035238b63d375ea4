"""Find calls with a wrong number of arguments, of functions that the same text defines."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tree_sitter import Node, Query, QueryCursor, Tree

from seqforge_code_structure.identifiers.grammar import LANGUAGE
from seqforge_code_structure.identifiers.reading import UnitNames, parse_unit

_DECLARATOR = "(function_declarator declarator: (identifier) @name parameters: (parameter_list) @parameters)"
_DEFINITIONS = Query(
    LANGUAGE,
    f"(function_definition declarator: [{_DECLARATOR} (pointer_declarator declarator: {_DECLARATOR})])",
)
_CALLS = Query(LANGUAGE, "(call_expression function: (identifier) @callee arguments: (argument_list) @arguments)")


class WrongCall(NamedTuple):
    """A call with a wrong number of arguments.

    Attributes:
        name: Name of the called function.
        start: Position of the name in the text.
        arguments: Number of arguments of the call.
        parameters: Number of parameters of the function.
    """

    name: str
    start: int
    arguments: int
    parameters: int


def find_wrong_calls(text: str, units: Sequence[UnitNames]) -> list[WrongCall]:
    """Find calls with a wrong number of arguments in the units of a text.

    A function counts only if the text defines it once, with named parameters and without `...`, and if no macro or
    local name hides it. Units with syntax errors, and calls that the rewriting of macros changes, do not count.
    """
    parsed = [(unit, *parse_unit(text, unit.start, unit.stop)) for unit in units if unit.parses]
    hidden = {found.name for unit in units for function in unit.functions for found in function.declarations}
    hidden.update(name for unit in units for name in unit.macros.by_name)
    parameters: dict[str, int | None] = {}
    for _, _, rewritten, tree in parsed:
        for name, count in _find_definitions(tree):
            known = rewritten[name.start_byte : name.end_byte].decode()
            # Of a second definition, perhaps under another condition, it is not known which one is called.
            parameters[known] = None if known in parameters else count
    return [
        WrongCall(name, unit.start + callee.start_byte, count, expected)
        for unit, code, rewritten, tree in parsed
        for callee, arguments in _find_calls(tree)
        if code[callee.start_byte : arguments.end_byte] == rewritten[callee.start_byte : arguments.end_byte]
        and (name := rewritten[callee.start_byte : callee.end_byte].decode()) not in hidden
        and (expected := parameters.get(name)) is not None
        and (count := len(_without_comments(arguments))) != expected
    ]


def _find_definitions(tree: Tree) -> Iterator[tuple[Node, int | None]]:
    """Yield the name and the number of parameters of each function; None if it takes any number."""
    for _, captures in QueryCursor(_DEFINITIONS).matches(tree.root_node):
        given = _without_comments(captures["parameters"][0])
        kinds = {parameter.type for parameter in given}
        is_void = len(given) == 1 and given[0].child_by_field_name("declarator") is None
        unknown = not given or not kinds <= {"parameter_declaration"}
        yield captures["name"][0], None if unknown else 0 if is_void and given[0].text == b"void" else len(given)


def _find_calls(tree: Tree) -> Iterable[tuple[Node, Node]]:
    for _, captures in QueryCursor(_CALLS).matches(tree.root_node):
        yield captures["callee"][0], captures["arguments"][0]


def _without_comments(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]

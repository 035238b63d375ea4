"""Find calls of the functions of a text with a wrong number of arguments.

Only trees without syntax errors are queried.
"""

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from tree_sitter import Node, QueryCursor, Tree

from seqforge_code_structure.defects import Defect
from seqforge_code_structure.syntax import read_query, text_of

_QUERY = read_query("identifiers/calls.scm")
_MACRO_ARGUMENT = re.compile(rb"[(,]\s*+[A-Z_][A-Z0-9_]*+\s*+[(,)]")


class Call(NamedTuple):
    """A call of a function by its name.

    Attributes:
        name: Name of the called function.
        start: Position of the name in the text.
        arguments: Number of arguments.
        is_certain: Whether no argument is a macro, which may be several arguments.
    """

    name: str
    start: int
    arguments: int
    is_certain: bool


@dataclass(slots=True)
class Calls:
    """The calls and the definitions of a unit.

    Attributes:
        calls: Calls that the rewriting of macros does not change.
        parameters: Name and number of parameters of each defined function; None if it takes any number.
    """

    calls: list[Call] = field(default_factory=list[Call])
    parameters: list[tuple[str, int | None]] = field(default_factory=list[tuple[str, int | None]])


def read_calls(tree: Tree, code: bytes, rewritten: bytes, offset: int) -> Calls:
    """Return the calls and the definitions in a unit that parses.

    Args:
        tree: Its syntax tree.
        code: Its compiled code.
        rewritten: The code from which the tree was parsed.
        offset: Position of the unit in the whole text.
    """
    found = Calls()
    for _, captures in QueryCursor(_QUERY).matches(tree.root_node):
        if "defined" in captures:
            found.parameters.append((text_of(captures["defined"][0]), _count_parameters(captures["parameters"][0])))
            continue
        called, arguments = captures["called"][0], captures["arguments"][0]
        start, stop = called.start_byte, arguments.end_byte
        if code[start:stop] == rewritten[start:stop]:
            is_certain = not _MACRO_ARGUMENT.search(code, arguments.start_byte, stop)
            found.calls.append(Call(text_of(called), offset + start, arguments.named_child_count, is_certain))
    return found


def _count_parameters(node: Node) -> int | None:
    given = node.named_children
    if not given or any(parameter.type != "parameter_declaration" for parameter in given):
        return None
    is_void = given[0].text == b"void" and given[0].child_by_field_name("declarator") is None
    return 0 if is_void else len(given)


def find_wrong_calls(units: Sequence[Calls], hidden: Set[str]) -> Iterator[Defect]:
    """Yield the calls with a wrong number of arguments in the units of a text.

    A function counts only if the text defines it once, with named parameters and without `...`.

    Args:
        units: The units of the text that parse.
        hidden: Names of macros and local variables, which may stand for something else than the function.
    """
    parameters: dict[str, int | None] = {}
    for unit in units:
        for name, count in unit.parameters:
            # Of a second definition, perhaps under another condition, it is not known which one is called.
            parameters[name] = None if name in parameters or name in hidden else count
    for unit in units:
        for call in unit.calls:
            expected = parameters.get(call.name)
            if expected is None or call.arguments == expected or (call.arguments < expected and not call.is_certain):
                continue
            message = f"{call.name!r} is called with {call.arguments} arguments, but has {expected} parameters"
            yield Defect(call.start, call.start + len(call.name), "wrong-arguments", message)

"""Declarations outside of functions in the grammar of the sampler `scoped`: initializers, and members of types."""

from __future__ import annotations

from seqforge_code_structure.samplers.name_lists import Scope
from seqforge_code_structure.samplers.row import Frame, Function, Kind, Phase, Row


def begin_declared(row: Row, name: str, character: str) -> Row:
    """Return the position after the `=` or `[` that follows the name of a variable of the file."""
    row = _begin(row.scope.add([name]), Phase.DECLARED)
    if character == "[":
        return row.push(Kind.ARRAY, Phase.OPERAND, word="size")
    return row.go(Phase.OPERAND, word="initial")


def open_type(row: Row, tag: str, is_typedef: bool) -> Row:
    """Return the position after the `{` of a `struct`, `union` or `enum`."""
    row = _begin(row.scope, Phase.TAGGED, "typedef" if is_typedef else "")
    if tag == "enum":
        return row.push(Kind.ENUMERATORS, Phase.ENUMERATOR)
    return row.push(Kind.MEMBERS, Phase.STATEMENT)


def _begin(scope: Scope, phase: Phase, note: str = "") -> Row:
    return Row(phase, scope, Function(scope, is_body=False), Frame(Kind.DECLARATION, None, 1, scope, note=note))


def begin_member(row: Row) -> Row:
    """Return the position before the first word of a member."""
    return row.push(Kind.DECLARATION, Phase.TYPE)


def declare_enumerator(row: Row) -> Row:
    """Return the position after the name of an enumerator."""
    frame, name = row.top, row.word
    return Row(
        Phase.ENUMERATED, row.scope.add([name]), row.function, frame._replace(own=frame.own | {name}), flags=row.flags
    )


def step_type(row: Row, character: str) -> Row:
    """Return the position after a symbol between the members or enumerators of a type."""
    match character:
        case "}" if row.top.kind == Kind.MEMBERS:
            return row.pop(Phase.TAGGED)._replace(scope=row.top.scope)
        case "}":
            return row.pop(Phase.TAGGED)
        case ",":
            return row.go(Phase.ENUMERATOR)
        case _:
            return row.go(Phase.OPERAND)

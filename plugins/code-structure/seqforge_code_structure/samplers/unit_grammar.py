"""The grammar of the text outside of the bodies of functions, which constrains what the bodies depend on.

A unit begins in column 0 and ends with its line, so that the metrics divide the text in the same way. It is the head of
a function that parses, a declaration, or the call of a macro.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from seqforge_code_structure.identifiers.reading import read_unit
from seqforge_code_structure.samplers.declarations import begin_declared, open_type
from seqforge_code_structure.samplers.grammar import BRANCH, LITERALS, Mode, State
from seqforge_code_structure.samplers.heads import head_characters
from seqforge_code_structure.samplers.name_lists import LETTERS, Alphabet
from seqforge_code_structure.samplers.row import Frame, Function, Kind, Phase, Row

_AGGREGATE = re.compile(r"(?:static\s+|const\s+|(typedef)\s+)*(struct|union|enum)(?:\s+\w+)?\s*")
_LONGEST_HEAD = 2_000
_VOID = re.compile(r"[^(]*\bvoid(?:\s+\w+)+\s*\(")


class Head(NamedTuple):
    """The head of a function.

    Attributes:
        declared: Names that its unit declares outside of the function.
        parameters: Names of its parameters.
        returns: Whether it returns a value.
    """

    declared: frozenset[str]
    parameters: frozenset[str]
    returns: bool


@lru_cache(maxsize=4096)
def read_head(text: str) -> Head | None:
    """Read the text of a unit up to the body of a function, or return None if no body may follow."""
    if len(text) > _LONGEST_HEAD:
        return None
    whole = text + "\n{\n}\n"
    unit = read_unit(whole, 0, len(whole))
    if not unit.parses or len(unit.functions) != 1:
        return None
    parameters = frozenset(found.name for found in unit.functions[0].declarations)
    return Head(frozenset(unit.declared), parameters, _VOID.match(text) is None)


def is_outside(state: State) -> bool:
    """Return whether no bracket is open."""
    return not state.nested and state.top in ("", BRANCH) and state.directive is None


def allowed_outside(row: Row, state: State, alphabet: Alphabet) -> int:
    """Return the set of the characters that may follow in code outside of functions and declarations."""
    match row.phase:
        case Phase.TOP:
            return alphabet.bits(LETTERS + "\n/" + ("#" if state.mode is Mode.LINE_START else ""))
        case Phase.LINE_END:
            return alphabet.bits(" \t\n/" + (";" if row.base == Phase.LOST else ""))
        case Phase.SLASH:
            return alphabet.bits("*/")
        case Phase.LOST:
            return -1
        case _ if state.mode is Mode.SLASH:
            return alphabet.bits("*")
        case _:
            closer = "" if state.top == BRANCH or ends_with_comma(row) else state.top
            return alphabet.bits(head_characters(row.word) + closer + ("{" if _may_open(row.word, state) else ""))


def ends_with_comma(row: Row) -> bool:
    """Return whether a head ends with a comma, which another parameter or argument must follow."""
    return row.word.rstrip().endswith(",")


def _may_open(head: str, state: State) -> bool:
    """Return whether a brace may follow a head."""
    return is_outside(state) and (
        _AGGREGATE.fullmatch(head) is not None or (head.rstrip().endswith(")") and read_head(head.rstrip()) is not None)
    )


def step_outside(row: Row, character: str, before: State, after: State) -> Row:
    """Return the position after a character outside of functions and declarations, in code or not."""
    if row.phase == Phase.LOST:
        ends = is_outside(after) and character in ";}" and before.mode <= Mode.BACKSLASH and before.directive is None
        return row._replace(phase=Phase.LINE_END, base=Phase.LOST) if ends else row
    if before.mode in LITERALS:
        # The text of a comment or string does not matter.
        if character == "\n" and row.phase == Phase.LINE_END:
            return row.go(Phase.TOP)
        return row if after.mode in LITERALS or character == "/" else row._replace(word=row.word + character)
    match row.phase:
        case Phase.SLASH:
            return row._replace(phase=row.base, word="")
        case Phase.TOP | Phase.LINE_END if character == "/":
            return row._replace(phase=Phase.SLASH, base=row.phase)
        case Phase.TOP if character == "#":
            return row.go(Phase.DIRECTIVE, word="#")
        case Phase.TOP if character in LETTERS:
            return row.go(Phase.HEAD, word=character)
        case Phase.LINE_END if character == "\n":
            return row.go(Phase.TOP)
        case Phase.HEAD:
            return _step_head(row, character, before, after)
        case _:
            return row


def _step_head(row: Row, character: str, before: State, after: State) -> Row:
    head = row.word
    if after.mode is Mode.COMMENT:
        return row._replace(word=head[:-1] + " ")
    if not is_outside(before):
        return row._replace(word=head + character)
    match character:
        case "{" if aggregate := _AGGREGATE.fullmatch(head):
            return open_type(row, aggregate[2], is_typedef=aggregate[1] is not None)
        case "{" if found := read_head(head.rstrip()):
            return _open_function(row, found)
        case "=" | "[":
            return begin_declared(row, re.findall(r"\w+", head)[-1], character)
        case ";":
            file = row.scope.add(read_unit(head + ";", 0, len(head) + 1).declared)
            return Row(Phase.LINE_END, file, Function(file))
        case _:
            return row._replace(word=head + character)


def _open_function(row: Row, head: Head) -> Row:
    file = row.scope.add(head.declared)
    scope = file.add(head.parameters)
    frame = Frame(Kind.BLOCK, None, 1, scope, own=head.parameters)
    return Row(Phase.STATEMENT, scope, Function(file, returns=head.returns), frame)

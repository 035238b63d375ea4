"""The grammar of the text outside of the bodies of functions, which constrains what the bodies depend on.

A unit begins in column 0 and ends with its line, so that the metrics divide the text in the same way. A brace follows
`struct`, `union`, `enum` or `=`, or the head of a function that parses. Everything else is free.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from seqforge_code_structure.identifiers.reading import read_unit
from seqforge_code_structure.samplers.grammar import BRANCH, LITERALS, Mode, State
from seqforge_code_structure.samplers.heads import head_characters
from seqforge_code_structure.samplers.names import LETTERS, Alphabet
from seqforge_code_structure.samplers.row import Frame, Function, Kind, Phase, Row
from seqforge_code_structure.structure import COMMENT, DIRECTIVE, LINE_COMMENT

_ASCII = "".join(map(chr, range(32, 127))) + "\t\n"
_AGGREGATE = re.compile(r"\b(?:struct|union|enum)(?:\s+\w+)?\s*\Z")
_NOT_CODE = re.compile(rf"{COMMENT}|{LINE_COMMENT}|^{DIRECTIVE}", re.MULTILINE)
_LONGEST_TAIL = 100
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
    code = _NOT_CODE.sub(" ", text).strip()
    if not code.endswith(")") or "{" in code or len(code) > _LONGEST_HEAD:
        return None
    live = code + "\n{\n}\n"
    unit = read_unit(live, 0, len(live))
    if not unit.parses or len(unit.functions) != 1:
        return None
    whole = text + "\n{\n}\n"
    declared = read_unit(whole, 0, len(whole)).declared | unit.declared
    parameters = frozenset(found.name for found in unit.functions[0].declarations)
    return Head(frozenset(declared), parameters, _VOID.match(code) is None)


def is_outside(state: State) -> bool:
    """Return whether no bracket is open."""
    return not state.nested and state.top in ("", BRANCH) and state.directive is None


def allowed_outside(row: Row, state: State, alphabet: Alphabet) -> int:
    """Return the set of the characters that may follow in code outside of functions."""
    match row.phase:
        case Phase.TOP:
            return alphabet.bits(LETTERS + "\n/" + ("#" if state.mode is Mode.LINE_START else ""))
        case Phase.LINE_END:
            return alphabet.bits(" \t\n/" + (";" if row.base == Phase.LOST else ""))
        case Phase.SLASH:
            return alphabet.bits("*/")
        case Phase.LOST:
            return -1
        case _:
            return _allowed_in_head(row.word, state, alphabet, braces=bool(row.flags))


def _allowed_in_head(text: str, state: State, alphabet: Alphabet, braces: bool) -> int:
    found = alphabet.bits(_ASCII) & ~alphabet.bits("\\")
    if state.top != "}" and not (braces and state.nested):
        code = _NOT_CODE.sub(" ", text)
        following = head_characters(("}" + code.rpartition("}")[2]) if braces else code.lstrip())
        if following is not None and state.mode is Mode.SLASH:
            return alphabet.bits("*/")
        if following is not None:
            found = alphabet.bits(following + "{" + state.top)
    tail = text[-_LONGEST_TAIL:].rstrip()
    last = tail[-1:]
    aggregate = _AGGREGATE.search(tail) is not None
    if is_outside(state):
        brace = aggregate or last == "=" or (last == ")" and read_head(text.rstrip()) is not None)
        forbidden = "#" if brace else "#{"
        # After braces, the metrics could take the next line for a new unit.
        return found & ~alphabet.bits(forbidden + ("\n" if braces else ""))
    if state.top in (")", "]"):
        return found & ~alphabet.bits("{;#")
    return found & ~alphabet.bits("" if aggregate or last in ("{", "=", ",") else "{")


def step_outside(row: Row, character: str, before: State, after: State, alphabet: Alphabet) -> Row:
    """Return the position after a character outside of functions, in code or not."""
    text = row.word + character
    if before.directive is not None or after.directive is not None:
        return row._replace(word=text)
    if before.mode is Mode.LINE_COMMENT and character == "\n" and row.phase == Phase.LINE_END:
        return row._replace(phase=Phase.TOP, word="")
    if before.mode in LITERALS:
        # The text of a comment or string does not matter, nor does the end of a comment.
        return row if after.mode in LITERALS or character == "/" else row._replace(word=text)
    if after.mode is Mode.COMMENT or after.mode is Mode.LINE_COMMENT:
        return row._replace(word=row.word[:-1] + " ", phase=row.base if row.phase == Phase.SLASH else row.phase)
    if before.mode > Mode.BACKSLASH:
        return row._replace(word=text)
    match row.phase:
        case Phase.TOP if character == "/":
            return row._replace(phase=Phase.SLASH, base=Phase.TOP, word=text)
        case Phase.LINE_END if character == "/":
            return row._replace(phase=Phase.SLASH, base=Phase.LINE_END, word=text)
        case Phase.TOP if character == "\n":
            return row._replace(word=text)
        case Phase.TOP if character in LETTERS:
            return row._replace(phase=Phase.HEAD, word=text)
        case Phase.LINE_END if character == "\n":
            return row._replace(phase=Phase.TOP, word="")
        case Phase.LINE_END if character in " \t;":
            return row
        case Phase.HEAD if character == "{" and is_outside(before) and (head := read_head(row.word.rstrip())):
            return _open_function(row, head)
        case Phase.HEAD if after.mode is Mode.SLASH:
            return row._replace(word=text)
        case Phase.HEAD if character != ";" or not is_outside(after):
            return row._replace(word=text, flags=row.flags | (character == "{"))
        case Phase.HEAD:
            unit = read_unit(text, 0, len(text))
            file = row.scope.add(unit.declared)
            return Row(Phase.LINE_END, file, Function(file), word=text)
        case _:
            if is_outside(after) and character in ";}":
                return row._replace(phase=Phase.LINE_END, word="", base=Phase.LOST)
            return row._replace(phase=Phase.LOST, word="")


def _open_function(row: Row, head: Head) -> Row:
    file = row.scope.add(head.declared)
    scope = file.add(head.parameters)
    frame = Frame(Kind.BLOCK, None, 1, scope, own=head.parameters)
    return Row(Phase.STATEMENT, scope, Function(file, head.returns), frame)

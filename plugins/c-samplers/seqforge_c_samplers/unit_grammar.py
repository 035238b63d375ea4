"""The grammar of the text outside of the bodies of functions, which constrains what the bodies depend on.

A unit begins in column 0 and ends with its line, so that the metrics divide the text in the same way. It is the head of
a function that parses, a declaration, or the call of a macro. A head is a type, a name and parameters, or a macro with
its arguments.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, cast

from seqforge_code_structure.identifiers.reading import read_unit

from seqforge_c_samplers.bracket_grammar import BRANCH, LITERALS, LexicalState, Mode
from seqforge_c_samplers.name_lists import LETTERS, NAME_CHARACTERS, Alphabet
from seqforge_c_samplers.names import BASIC_TYPES, FURTHER_TYPES, SIZES, STATEMENTS, TAGS
from seqforge_c_samplers.positions import CodePosition, Element, Frame, Function, Phase
from seqforge_c_samplers.statements import begin_declared, open_type

_QUALIFIER = re.compile(r"static|inline|extern|const|volatile|register|typedef|noinline|asmlinkage|__\w+")
_NEVER = STATEMENTS | {"else", "sizeof"}
_TOKEN = re.compile(r"\w+|\*")
_SPACE = " \t/"
"""White space in one line, and the first character of a comment."""
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


def is_outside(state: LexicalState) -> bool:
    """Return whether no bracket is open."""
    return not state.nested and state.top in ("", BRANCH) and state.directive is None


def allowed_outside(code: CodePosition, state: LexicalState, alphabet: Alphabet) -> int:
    """Return the set of the characters that may follow in code outside of functions and declarations."""
    match code.phase:
        case Phase.TOP:
            return alphabet.bits(LETTERS + "\n/" + ("#" if state.mode is Mode.LINE_START else ""))
        case Phase.LINE_END:
            return alphabet.bits(" \t\n/" + (";" if code.base == Phase.LOST else ""))
        case Phase.SLASH:
            return alphabet.bits("*/")
        case Phase.LOST:
            return -1
        case _ if state.mode is Mode.SLASH:
            return alphabet.bits("*")
        case _:
            closer = "" if state.top == BRANCH or ends_with_comma(code) else state.top
            return alphabet.bits(head_characters(code.word) + closer + ("{" if _may_open(code.word, state) else ""))


def ends_with_comma(code: CodePosition) -> bool:
    """Return whether a head ends with a comma, which another parameter or argument must follow."""
    return code.word.rstrip().endswith(",")


def _may_open(head: str, state: LexicalState) -> bool:
    """Return whether a brace may follow a head."""
    return is_outside(state) and (
        _AGGREGATE.fullmatch(head) is not None or (head.rstrip().endswith(")") and read_head(head.rstrip()) is not None)
    )


def step_outside(code: CodePosition, character: str, before: LexicalState, after: LexicalState) -> CodePosition:
    """Return the position after a character outside of functions and declarations, in code or not."""
    if code.phase == Phase.LOST:
        ends = is_outside(after) and character in ";}" and before.mode <= Mode.BACKSLASH and before.directive is None
        return code._replace(phase=Phase.LINE_END, base=Phase.LOST) if ends else code
    if before.mode in LITERALS:
        # The text of a comment or string does not matter.
        if character == "\n" and code.phase == Phase.LINE_END:
            return code.go(Phase.TOP)
        return code if after.mode in LITERALS or character == "/" else code._replace(word=code.word + character)
    match code.phase:
        case Phase.SLASH:
            return code._replace(phase=code.base, word="")
        case Phase.TOP | Phase.LINE_END if character == "/":
            return code._replace(phase=Phase.SLASH, base=code.phase)
        case Phase.TOP if character == "#":
            return code.go(Phase.DIRECTIVE, word="#")
        case Phase.TOP if character in LETTERS:
            return code.go(Phase.HEAD, word=character)
        case Phase.LINE_END if character == "\n":
            return code.go(Phase.TOP)
        case Phase.HEAD:
            return _step_head(code, character, before, after)
        case _:
            return code


def _step_head(code: CodePosition, character: str, before: LexicalState, after: LexicalState) -> CodePosition:
    head = code.word
    if after.mode is Mode.COMMENT:
        return code._replace(word=head[:-1] + " ")
    if not is_outside(before):
        return code._replace(word=head + character)
    match character:
        case "{" if aggregate := _AGGREGATE.fullmatch(head):
            return open_type(code, aggregate[2], is_typedef=aggregate[1] is not None)
        case "{" if found := read_head(head.rstrip()):
            return _open_function(code, found)
        case "=" | "[":
            return begin_declared(code, re.findall(r"\w+", head)[-1], character)
        case ";":
            file = code.scope.add(read_unit(head + ";", 0, len(head) + 1).declared)
            return CodePosition(Phase.LINE_END, file, Function(file))
        case _:
            return code._replace(word=head + character)


def _open_function(code: CodePosition, head: Head) -> CodePosition:
    file = code.scope.add(head.declared)
    scope = file.add(head.parameters)
    frame = Frame(Element.BLOCK, None, 1, scope, own=head.parameters)
    return CodePosition(Phase.STATEMENT, scope, Function(file, returns=head.returns), frame)


@lru_cache(maxsize=16_384)
def head_characters(head: str) -> str:
    """Return the characters that may follow outside of braces, except `{` and a bracket that closes another.

    Args:
        head: Code of the unit so far, without comments.
    """
    before, opened, inside = head.partition("(")
    words = _TOKEN.findall(before)
    if not opened:
        found = _declaration_characters(before)
        if _has_name(before):
            found += ";" if "typedef" in words else ";([="
        elif len(words) == 1 and before[-1] in NAME_CHARACTERS and words[0] not in _NEVER:
            found += "("
        elif len(words) > 1 and words[-2] in TAGS:
            found += ";"
        return found
    if inside.count("(") < inside.count(")"):
        return " \t\n/;"
    argument = inside.rpartition(",")[2]
    if len(words) == 1:
        return _argument_characters(argument)
    if "[" in argument:
        size = argument.rpartition("[")[2]
        return "," if "]" in size else "0123456789"
    found = _declaration_characters(argument) + "\n"
    if "*" in argument or _TOKEN.search(argument):
        found += ","
    return found + ("[" if _has_name(argument) else "")


def close_head(head: str) -> str:
    """Return the first character of a text that ends a head outside of brackets."""
    following = head_characters(head)
    if ";" in following:
        return ";"
    return " " if head[-1] in NAME_CHARACTERS and " " in following else "_"


def _argument_characters(argument: str) -> str:
    """Return the characters that may continue an argument of a macro: a word, a type, a number or a string."""
    text = argument.strip()
    if not text:
        return NAME_CHARACTERS + ' \t\n/"'
    last = argument[-1]
    if last == '"':
        return ' \t\n/,"'
    if text[0].isdigit():
        return "0123456789" * (last in NAME_CHARACTERS) + " \t\n/,"
    if last in NAME_CHARACTERS:
        return NAME_CHARACTERS + " \t\n/,"
    words = text.split()
    return " \t\n/," + (LETTERS if len(words) == 1 and words[0] in TAGS else "")


def _read(text: str) -> tuple[str, str]:
    """Return what the complete words and stars of a declaration have reached, and the incomplete word at the end.

    They have reached the `start`, a `tag` such as `struct`, the type (`typed`, or `sized` if further words may follow),
    a `star` after it, or the name (`named`). Words that are no declaration are `wrong`.
    """
    complete = text.rstrip(NAME_CHARACTERS)
    return _read_complete(complete), text[len(complete) :]


@lru_cache(maxsize=1024)
def _read_complete(text: str) -> str:
    state = "start"
    for token in cast("list[str]", _TOKEN.findall(text)):
        state = _advance(state, token)
    return state


def _advance(state: str, word: str) -> str:
    """Return what a declaration has reached after another word or star."""
    if word == "*":
        return "star" if state in ("typed", "sized", "star") else "wrong"
    if _QUALIFIER.fullmatch(word):
        return state
    if word in _NEVER:
        return "wrong"
    match state:
        case "start":
            return "tag" if word in TAGS else "sized" if word in SIZES else "typed"
        case "sized" if word in FURTHER_TYPES:
            return "sized" if word in SIZES else "typed"
        case "tag":
            return "typed"
        case "typed" | "sized" | "star" if word not in BASIC_TYPES and word not in TAGS:
            return "named"
        case _:
            return "wrong"


def _has_name(text: str) -> bool:
    state, last = _read(text)
    return (_advance(state, last) if last else state) == "named"


def _declaration_characters(text: str) -> str:
    """Return the characters that may continue the words of a declaration."""
    state, last = _read(text)
    if last:
        after = _advance(state, last)
        return NAME_CHARACTERS + ("" if after == "wrong" else _SPACE + ("*" if after in ("typed", "sized") else ""))
    if state in ("named", "wrong"):
        return _SPACE
    return LETTERS + _SPACE + ("*" if state in ("typed", "sized", "star") else "")

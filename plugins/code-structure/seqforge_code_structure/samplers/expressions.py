"""Expressions and initializers in the grammar of the sampler `scoped`."""

from __future__ import annotations

import re
from functools import lru_cache

from seqforge_code_structure.identifiers.lexicon import is_constant
from seqforge_code_structure.samplers.declarations import step_type
from seqforge_code_structure.samplers.names import BASIC_TYPES, SIZES, TAGS, TYPES, VALUES, NameTable, Role
from seqforge_code_structure.samplers.row import CALLABLE, LVALUE, OBJECT, RVALUE, STAR, Kind, Phase, Row
from seqforge_code_structure.samplers.statements import (
    begin_declaration,
    close_condition,
    end_declaration,
    end_statement,
    may_have_value,
)

WHITE = " \t\n/"
"""White space, and the first character of a comment."""

DIGITS = "0123456789"

_CLOSERS: dict[Kind, str] = {
    Kind.EXPRESSION: ";,",
    Kind.RETURN: ";",
    Kind.CASE: ":",
    Kind.GROUP: "),",
    Kind.SIZEOF: ")",
    Kind.CALL: "),",
    Kind.LOOP: "),",
    Kind.INDEX: "]",
    Kind.CONDITION: ")",
    Kind.TERNARY: ":",
    Kind.DECLARATION: ";,",
    Kind.ARRAY: "]",
    Kind.LIST: ",}",
    Kind.ELEMENT: "]",
    Kind.ENUMERATORS: "},",
}
# For each operator so far, the characters that may continue it.
_CONTINUED = {
    "+": "+=", "-": "-=>", "*": "=", "%": "=", "^": "=", "&": "&=", "|": "|=", "<": "<=", ">": ">=", "<<": "=",
    ">>": "=", "=": "=", "!": "=",
}  # fmt: skip
_ASSIGNABLE = frozenset({"+", "-", "*", "%", "^", "&", "|", "<<", ">>"})
"""Operators that `=` turns into an assignment."""
_ASSIGNMENTS = frozenset({"=", *(f"{operator}=" for operator in (*_ASSIGNABLE, "/"))})
_NUMBER = re.compile(r"(?:0[0-7]*|[1-9][0-9]*|0x[0-9a-fA-F]+)[uU]?(?:[lL]|ll|LL)?|0x")
_LONGEST_NUMBER = 20


@lru_cache(maxsize=65_536)
def continue_number(number: str) -> str:
    """Return the characters that may continue a number."""
    if len(number) >= _LONGEST_NUMBER:
        return ""
    return "".join(character for character in "0123456789abcdefABCDEFxuUlL" if _NUMBER.fullmatch(number + character))


def is_number(number: str) -> bool:
    """Return whether a number is complete."""
    return number != "0x"


def closers(row: Row) -> str:
    """Return the characters that may end the expression."""
    frame = row.top
    return (")," if frame.note == "2" else ";,") if frame.kind == Kind.FOR else _CLOSERS[frame.kind]


def is_assignable(row: Row) -> bool:
    """Return whether the expression so far may be assigned to."""
    return row.flags & (RVALUE | LVALUE) == LVALUE


def operand_characters(row: Row) -> str:
    """Return the characters other than letters that may begin an operand."""
    match row.word:
        case "cast":
            return WHITE + DIGITS + "\"'!~"
        case "&":
            return WHITE + DIGITS + "\"'(-+!~*"
        case "call":
            extra = ")"
        case "for":
            extra = ")" if row.top.note == "2" else ";"
        case "list":
            extra = "{}.["
        case "initial":
            extra = "{"
        case "size":
            extra = "]"
        case _:
            extra = ""
    return WHITE + DIGITS + "\"'(-+!~*&" + extra


def operand_role(row: Row) -> Role:
    """Return the role of a word that begins an operand."""
    match row.word:
        case "return":
            return Role.RETURNED
        case "group":
            return Role.GROUP
        case "for":
            return Role.FOR if row.top.note == "0" else Role.OPERAND
        case _:
            return Role.OPERAND


def operator_characters(row: Row) -> str:
    """Return the characters that may follow an operand."""
    flags = row.flags
    found = WHITE + "+-*%&|^<>=!?" + closers(row)
    if flags & CALLABLE:
        found += "("
    if flags & OBJECT:
        found += "[."
    return found


def operation_characters(row: Row) -> tuple[str, bool]:
    """Return the characters that may continue an operator, and whether it is complete."""
    operator = row.word
    continued = _CONTINUED.get(operator, "")
    if operator in _ASSIGNABLE and not is_assignable(row):
        continued = continued.replace("=", "")
    if operator in "+-" and not row.flags & LVALUE:
        continued = continued.replace(operator, "")
    if operator == "-" and not row.flags & OBJECT:
        continued = continued.replace(">", "")
    return continued, operator != "!" and (operator != "=" or is_assignable(row))


def finish_operation(row: Row) -> Row:
    """Return the position after a binary operator."""
    return row.go(Phase.OPERAND, 0 if row.word in _ASSIGNMENTS else RVALUE)


def finish_operand_word(row: Row, names: NameTable) -> Row:
    """Return the position after a word that begins an operand."""
    word, kept = row.word, row.flags & (RVALUE | STAR)
    if row.role == Role.GROUP and (word in TAGS or word in TYPES):
        if word in TAGS:
            return row.go(Phase.TAG)
        # The parser takes `sizeof(name_t)` for a variable, so the lexicon must know the name.
        known = word in BASIC_TYPES or (row.top.kind == Kind.SIZEOF and word in names.types)
        return row.go(Phase.TYPE_NAME, word="basic" if word in SIZES else "known" if known else "plain")
    if row.role == Role.FOR and (begun := begin_declaration(row, word)):
        return begun
    if word == "sizeof":
        return row.go(Phase.OPEN, kept, word)
    if word in names.prefixes:
        return row.go(Phase.PREFIX, kept)
    if word in row.scope.names:
        return row.go(Phase.OPERATOR, kept | LVALUE | CALLABLE | OBJECT)
    if word in VALUES:
        return row.go(Phase.OPERATOR, kept)
    if not names.is_variable(word, row.role):
        return row.go(Phase.CALLEE, kept)
    return row.go(Phase.OPERATOR, kept | CALLABLE | OBJECT | (0 if is_constant(word) else LVALUE))


def step_operand(row: Row, character: str) -> Row:
    """Return the position after a character that begins an operand, or ends a list that may be empty."""
    kept = row.flags & (RVALUE | STAR)
    match character:
        case '"':
            return row.go(Phase.STRING, kept)
        case "'":
            return row.go(Phase.OPERATOR, kept, character)
        case "(":
            return row.push(Kind.GROUP, Phase.OPERAND, word="group")
        case "*":
            return row.go(Phase.OPERAND, kept | STAR, "*")
        case "-" | "+" | "!" | "~" | "&":
            return row.go(Phase.OPERAND, RVALUE, character)
        case "{":
            return row.push(Kind.LIST, Phase.OPERAND, word="list")
        case ".":
            return row.go(Phase.NAMED)
        case "[":
            return row.push(Kind.ELEMENT, Phase.OPERAND)
        case digit if digit in DIGITS:
            return row.go(Phase.NUMBER, kept, digit)
        case closer:
            return close_expression(row, closer)


def step_operator(row: Row, character: str) -> Row:
    """Return the position after a character that follows an operand."""
    if character in closers(row):
        return close_expression(row, character)
    match character:
        case "(":
            return row.push(Kind.CALL, Phase.OPERAND, word="call")
        case "[":
            return row.push(Kind.INDEX, Phase.OPERAND)
        case ".":
            return row.go(Phase.MEMBER, row.flags)
        case "?":
            return row.push(Kind.TERNARY, Phase.OPERAND)
        case _:
            return row.go(Phase.OPERATION, row.flags, character)


def step_operation(row: Row, character: str) -> Row:
    """Return the position after a character that continues an operator."""
    operator = row.word + character
    if operator in ("++", "--"):
        return row.go(Phase.OPERATOR, row.flags & (RVALUE | STAR) | (LVALUE if row.flags & STAR else 0))
    if operator == "->":
        return row.go(Phase.MEMBER, row.flags)
    return row._replace(word=operator)


def finish_member(row: Row) -> Row:
    """Return the position after the name of a member."""
    return row.go(Phase.OPERATOR, row.flags & (RVALUE | STAR) | LVALUE | CALLABLE | OBJECT)


def close_expression(row: Row, character: str) -> Row:
    """Return the position after a character that ends an expression or one of its parts."""
    frame = row.top
    kept = frame.flags & (RVALUE | STAR)
    match frame.kind:
        case Kind.CONDITION:
            return close_condition(row)
        case Kind.FOR if character == ")":
            return close_condition(row)
        case Kind.FOR if character == ";":
            return row._replace(frame=frame._replace(note="1" if frame.note == "0" else "2")).go(
                Phase.OPERAND, word="for"
            )
        case Kind.DECLARATION:
            return end_declaration(row) if character == ";" else row.go(Phase.DECLARATOR)
        case Kind.LIST:
            return row.pop(Phase.LISTED) if character == "}" else row.go(Phase.OPERAND, word="list")
        case Kind.ENUMERATORS:
            return step_type(row, character)
        case _ if character == ",":
            return row.go(Phase.OPERAND)
        case Kind.EXPRESSION | Kind.RETURN:
            return end_statement(row.pop(Phase.STATEMENT))
        case Kind.CASE:
            return row.pop(Phase.STATEMENT).push(Kind.SUBSTATEMENT, Phase.STATEMENT)
        case Kind.GROUP:
            return row.pop(Phase.OPERATOR, kept | LVALUE | OBJECT)
        case Kind.CALL:
            return row.pop(Phase.OPERATOR, kept | OBJECT | (LVALUE if kept & STAR else 0))
        case Kind.LOOP:
            return close_condition(row)
        case Kind.INDEX:
            return row.pop(Phase.OPERATOR, kept | LVALUE | CALLABLE | OBJECT)
        case Kind.TERNARY:
            return row.pop(Phase.OPERAND, RVALUE)
        case Kind.ARRAY:
            # An array without a size needs a value.
            empty, row = row.phase == Phase.OPERAND, row.pop(Phase.DECLARED)
            return row.go(Phase.DESIGNATOR) if empty and may_have_value(row) else row
        case Kind.ELEMENT:
            return row.pop(Phase.DESIGNATOR)
        case _:
            return row.pop(Phase.OPERATOR, kept)


def close_type(row: Row) -> Row:
    """Return the position after a type in brackets, which is a cast or the operand of `sizeof`."""
    frame = row.top
    if frame.kind == Kind.SIZEOF:
        return row.pop(Phase.OPERATOR, frame.flags & (RVALUE | STAR))
    return row.pop(Phase.OPERAND, RVALUE, "cast" if row.word == "plain" else "")

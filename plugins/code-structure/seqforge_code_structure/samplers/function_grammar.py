"""The grammar of the bodies of functions: which characters may follow, and where they lead.

The grammar is a part of C: each statement parses, and each name is declared, or a name of the lexicon, or a member.
"""

from __future__ import annotations

from seqforge_code_structure.samplers.declarations import begin_member, step_type
from seqforge_code_structure.samplers.expressions import (
    WHITE,
    close_type,
    continue_number,
    finish_operation,
    is_assignable,
    is_number,
    operand_characters,
    operation_characters,
    operator_characters,
    step_operand,
    step_operation,
    step_operator,
)
from seqforge_code_structure.samplers.name_lists import LETTERS, NAME_CHARACTERS
from seqforge_code_structure.samplers.names import NameTable, Role
from seqforge_code_structure.samplers.row import RVALUE, STAR, Kind, Phase, Row
from seqforge_code_structure.samplers.statements import (
    begins_item,
    can_close_block,
    close_block,
    end_declaration,
    end_statement,
    may_have_value,
    open_bracket,
    settle,
)
from seqforge_code_structure.samplers.words import finish_word, next_in_word, role_of_word

_CHARACTERS = {
    Phase.PREFIX: ' "',
    Phase.CALLEE: "(",
    Phase.MEMBER: "",
    Phase.NAMED: "",
    Phase.OPEN: " (",
    Phase.BODY: WHITE + "{",
    Phase.WHILE: WHITE,
    Phase.GOTO: " ",
    Phase.COLON: ":",
    Phase.SEMICOLON: WHITE + ";",
    Phase.TYPE: WHITE,
    Phase.TAG: " ",
    Phase.DECLARATOR: WHITE + "*",
    Phase.DECLARED: WHITE + "[=,;",
    Phase.DESIGNATOR: WHITE + "=",
    Phase.TAGGED: WHITE + "*;",
    Phase.ENUMERATED: WHITE + ",=}",
}


def allowed(row: Row, names: NameTable, column_zero: bool = False, line_start: bool = False) -> int:
    """Return the set of the characters that may follow.

    Args:
        row: The position, inside a function.
        names: Names that every function may use.
        column_zero: Whether the next character is in column 0.
        line_start: Whether only spaces precede it on its line.
    """
    alphabet = names.alphabet
    match row.phase:
        case Phase.WORD:
            found = next_in_word(row, names)
            if found & alphabet.complete:
                after = allowed(finish_word(row, names), names) & ~alphabet.name_characters
                found = found & ~alphabet.complete | after
            return found
        case Phase.NUMBER:
            found = alphabet.bits(continue_number(row.word))
            if is_number(row.word):
                # In C, `0xe+1` is one number, which is wrong.
                own = "+-" if row.word[-1] in "eE" else ""
                found |= allowed(finish_number(row), names) & ~(alphabet.name_characters | alphabet.bits(own))
            return found
        case Phase.OPERATION:
            continued, complete = operation_characters(row)
            found = alphabet.bits(continued)
            if complete:
                own = row.word[-1] if row.word in ("+", "-", "&") else ""
                found |= allowed(finish_operation(row), names) & ~alphabet.bits(own + "/")
            return found
        case Phase.SLASH:
            found = alphabet.bits("*/")
            if row.base in (Phase.OPERATOR, Phase.STRING):
                assignment = "=" if is_assignable(row) else ""
                found |= alphabet.bits(assignment) | allowed(row.go(Phase.OPERAND, RVALUE), names)
            return found
        case _:
            characters = other_characters(row, line_start)
            role = role_of_word(row, column_zero)
            found = alphabet.bits(characters)
            return found if role is None else found | _first_letters(row, role, names)


def _first_letters(row: Row, role: Role, names: NameTable) -> int:
    """Return the characters that may begin a word of a role."""
    in_word = Row(Phase.WORD, row.scope, row.function, row.frame, "", role, row.flags, row.base)
    return next_in_word(in_word, names) & ~names.alphabet.complete


def other_characters(row: Row, line_start: bool) -> str:
    """Return the characters that may follow, except those that begin or continue words."""
    match row.phase:
        case Phase.STATEMENT:
            settled = settle(row)
            if settled.phase == Phase.WHILE:
                return WHITE
            if row.top.kind == Kind.MEMBERS:
                return WHITE + "}"
            found = WHITE + ";{*("
            if begins_item(settled) and line_start:
                found += "#"
            return found + "}" if can_close_block(settled) else found
        case Phase.OPERAND:
            return operand_characters(row)
        case Phase.OPERATOR:
            return operator_characters(row)
        case Phase.STRING:
            return operator_characters(row) + '"'
        case Phase.TYPE_NAME:
            return WHITE + ("*" if row.word == "plain" and row.top.kind == Kind.SIZEOF else "*)")
        case Phase.LISTED:
            return WHITE + (",}" if row.top.kind == Kind.LIST else ",;")
        case Phase.ENUMERATOR:
            return WHITE + ("}" if row.top.own else "")
        case Phase.DECLARED if not may_have_value(row):
            return WHITE + "[,;"
        case Phase.TAGGED if row.top.note == "typedef":
            return WHITE + "*"
        case phase:
            return _CHARACTERS[phase]


def finish_number(row: Row) -> Row:
    """Return the position after a number."""
    return row.go(Phase.OPERATOR, row.flags & (RVALUE | STAR))


def step(row: Row, character: str, names: NameTable, column_zero: bool = False) -> Row:
    """Return the position after an allowed character of code inside a function."""
    match row.phase:
        case Phase.WORD:
            if character in NAME_CHARACTERS:
                return row.spell(row.word + character)
            row = finish_word(row, names)
        case Phase.NUMBER:
            if character in NAME_CHARACTERS:
                return row.spell(row.word + character)
            row = finish_number(row)
        case Phase.OPERATION:
            if character in operation_characters(row)[0]:
                return step_operation(row, character)
            row = finish_operation(row)
        case Phase.SLASH:
            if character in "*/":
                return row._replace(phase=row.base)
            if character == "=":
                return row.go(Phase.OPERAND)
            row = row.go(Phase.OPERAND, RVALUE)
        case _:
            pass
    if character in " \t\n":
        return row
    if character == "/":
        return row._replace(phase=Phase.SLASH, base=row.phase)
    if character in LETTERS and (role := role_of_word(row, column_zero)) is not None:
        row = begin_member(row) if role == Role.MEMBER else row
        return Row(Phase.WORD, row.scope, row.function, row.frame, character, role, row.flags, row.phase)
    return _step_symbol(row, character)


def _step_symbol(row: Row, character: str) -> Row:
    """Return the position after a character that is neither white space nor part of a word."""
    match row.phase:
        case Phase.STATEMENT:
            return _step_statement(row, character)
        case Phase.OPERAND:
            return step_operand(row, character)
        case Phase.OPERATOR:
            return step_operator(row, character)
        case Phase.PREFIX:
            return row.go(Phase.STRING, row.flags)
        case Phase.STRING:
            return row if character == '"' else step_operator(row._replace(phase=Phase.OPERATOR), character)
        case Phase.CALLEE:
            kind, word = (Kind.LOOP, "") if row.word == "loop" else (Kind.CALL, "call")
            return row.push(kind, Phase.OPERAND, word=word)
        case Phase.OPEN:
            return open_bracket(row)
        case Phase.BODY:
            return row.push(Kind.BLOCK, Phase.STATEMENT)
        case Phase.TYPE_NAME:
            return close_type(row) if character == ")" else row.go(Phase.TYPE_NAME, word="star")
        case Phase.COLON:
            return row.push(Kind.SUBSTATEMENT, Phase.STATEMENT)
        case Phase.SEMICOLON:
            return end_statement(row)
        case Phase.DECLARATOR:
            return row.go(Phase.DECLARATOR)
        case Phase.DECLARED if character == "[":
            return row.push(Kind.ARRAY, Phase.OPERAND, word="size")
        case Phase.DECLARED | Phase.DESIGNATOR if character == "=":
            return row.go(Phase.OPERAND, word="initial")
        case Phase.ENUMERATOR | Phase.ENUMERATED:
            return step_type(row, character)
        case Phase.LISTED if character == "}":
            return row.pop(Phase.LISTED)
        case Phase.LISTED if row.top.kind == Kind.LIST:
            return row.go(Phase.OPERAND, word="list")
        case _:
            return end_declaration(row) if character == ";" else row.go(Phase.DECLARATOR)


def _step_statement(row: Row, character: str) -> Row:
    row = settle(row)
    if row.top.kind == Kind.MEMBERS:
        return step_type(row, character)
    match character:
        case ";":
            return end_statement(row)
        case "{":
            return row.push(Kind.BLOCK, Phase.STATEMENT)
        case "}":
            return close_block(row)
        case "#":
            return row.go(Phase.DIRECTIVE, word="#")
        case _:
            return step_operand(row.push(Kind.EXPRESSION, Phase.OPERAND), character)

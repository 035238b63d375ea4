"""The text that ends the body of a function, from any position in it."""

from __future__ import annotations

from seqforge_code_structure.samplers.expressions import closers, is_number, operand_characters, operation_characters
from seqforge_code_structure.samplers.function_grammar import finish_number, other_characters
from seqforge_code_structure.samplers.name_lists import NAME_CHARACTERS
from seqforge_code_structure.samplers.names import USES, NameTable, Role
from seqforge_code_structure.samplers.row import Kind, Phase, Row
from seqforge_code_structure.samplers.statements import conditional_words, settle, statement_phase
from seqforge_code_structure.samplers.words import FIRST, finish_word, next_in_word


def closing_character(row: Row, names: NameTable, column_zero: bool) -> str:
    """Return the first character of a text that ends the function, which need not be the shortest."""
    match row.phase:
        case Phase.WORD:
            found = next_in_word(row, names)
            if not found & names.alphabet.complete:
                return _complete_word(row, names)[len(row.word)]
            after = closing_character(finish_word(row, names), names, False)
            return " " if after in NAME_CHARACTERS else after
        case Phase.NUMBER:
            return closing_character(finish_number(row), names, False) if is_number(row.word) else "0"
        case Phase.OPERATION:
            return "0" if operation_characters(row)[1] else "="
        case Phase.SLASH:
            return "*"
        case Phase.STATEMENT:
            return _close_statement(row, column_zero)
        case Phase.OPERAND:
            return {"call": ")", "for": operand_characters(row)[-1], "list": "}"}.get(row.word, "0")
        case Phase.OPERATOR | Phase.STRING:
            return closers(row)[0] if row.top.kind != Kind.LIST else "}"
        case Phase.WHILE:
            return " " if column_zero else "w"
        case Phase.TYPE:
            return " " if column_zero else "i"
        case Phase.MEMBER | Phase.NAMED | Phase.GOTO | Phase.TAG | Phase.DECLARATOR:
            return " " if column_zero else "_"
        case Phase.TYPE_NAME:
            return other_characters(row, line_start=False)[-1]
        case Phase.ENUMERATOR if not row.top.own:
            return " " if column_zero else "_"
        case Phase.ENUMERATOR | Phase.ENUMERATED:
            return "}"
        case Phase.TAGGED if row.top.note == "typedef":
            return "_"
        case Phase.LISTED:
            return "}" if row.top.kind == Kind.LIST else ";"
        case phase:
            return {
                Phase.PREFIX: '"',
                Phase.BODY: "{",
                Phase.CALLEE: "(",
                Phase.OPEN: "(",
                Phase.COLON: ":",
                Phase.DESIGNATOR: "=",
            }.get(phase, ";")


def _close_statement(row: Row, column_zero: bool) -> str:
    row = settle(row)
    if row.phase == Phase.WHILE:
        return " " if column_zero else "w"
    if row.top.kind == Kind.MEMBERS:
        return "}"
    if row.top.kind not in (Kind.BLOCK, Kind.BRANCH):
        return ";"
    if row.top.kind == Kind.BLOCK and not row.top.below and row.function.pending:
        return min(row.function.pending)[0] if column_zero else "\n"
    if row.top.kind == Kind.BRANCH:
        return "#"
    return "}"


def _complete_word(row: Row, names: NameTable) -> str:
    """Return an allowed word that begins with an incomplete one."""
    role, word = row.role, row.word
    if role == Role.LABEL and row.function.pending:
        return min(name for name in row.function.pending if name.startswith(word))
    if role in (Role.LABEL, Role.NEW, Role.NEW_OR_BASIC, Role.FREE):
        return word + "_"
    if role in FIRST:
        for other in conditional_words(row._replace(phase=statement_phase(role))):
            if other.startswith(word):
                return other
    return (role in USES and row.scope.complete(word)) or names.complete(role, word)

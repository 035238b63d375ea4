"""The text that ends the body of a function, from any position in it."""

from __future__ import annotations

from seqforge_c_samplers.expressions import closers, is_number, operand_characters, operation_characters
from seqforge_c_samplers.function_grammar import finish_number, other_characters
from seqforge_c_samplers.name_lists import NAME_CHARACTERS
from seqforge_c_samplers.names import USES, NameTable, WordRole
from seqforge_c_samplers.positions import CodePosition, Element, Phase
from seqforge_c_samplers.statements import conditional_words, settle, statement_phase
from seqforge_c_samplers.words import FIRST, finish_word, next_in_word


def closing_character(code: CodePosition, names: NameTable, column_zero: bool) -> str:
    """Return the first character of a text that ends the function, which need not be the shortest."""
    match code.phase:
        case Phase.WORD:
            found = next_in_word(code, names)
            if not found & names.alphabet.complete:
                return _complete_word(code, names)[len(code.word)]
            after = closing_character(finish_word(code, names), names, False)
            return " " if after in NAME_CHARACTERS else after
        case Phase.NUMBER:
            return closing_character(finish_number(code), names, False) if is_number(code.word) else "0"
        case Phase.OPERATION:
            return "0" if operation_characters(code)[1] else "="
        case Phase.SLASH:
            return "*"
        case Phase.STATEMENT:
            return _close_statement(code, column_zero)
        case Phase.OPERAND:
            return {"call": ")", "for": operand_characters(code)[-1], "list": "}"}.get(code.word, "0")
        case Phase.OPERATOR | Phase.STRING:
            return closers(code)[0] if code.top.kind != Element.LIST else "}"
        case Phase.WHILE:
            return " " if column_zero else "w"
        case Phase.TYPE:
            return " " if column_zero else "i"
        case Phase.MEMBER | Phase.NAMED | Phase.GOTO | Phase.TAG | Phase.DECLARATOR:
            return " " if column_zero else "_"
        case Phase.TYPE_NAME:
            return other_characters(code, line_start=False)[-1]
        case Phase.ENUMERATOR if not code.top.own:
            return " " if column_zero else "_"
        case Phase.ENUMERATOR | Phase.ENUMERATED:
            return "}"
        case Phase.TAGGED if code.top.note == "typedef":
            return "_"
        case Phase.LISTED:
            return "}" if code.top.kind == Element.LIST else ";"
        case phase:
            return {
                Phase.PREFIX: '"',
                Phase.BODY: "{",
                Phase.CALLEE: "(",
                Phase.OPEN: "(",
                Phase.COLON: ":",
                Phase.DESIGNATOR: "=",
            }.get(phase, ";")


def _close_statement(code: CodePosition, column_zero: bool) -> str:
    code = settle(code)
    if code.phase == Phase.WHILE:
        return " " if column_zero else "w"
    if code.top.kind == Element.MEMBERS:
        return "}"
    if code.top.kind not in (Element.BLOCK, Element.BRANCH):
        return ";"
    if code.top.kind == Element.BLOCK and not code.top.below and code.function.pending:
        return min(code.function.pending)[0] if column_zero else "\n"
    if code.top.kind == Element.BRANCH:
        return "#"
    return "}"


def _complete_word(code: CodePosition, names: NameTable) -> str:
    """Return an allowed word that begins with an incomplete one."""
    role, word = code.role, code.word
    if role == WordRole.LABEL and code.function.pending:
        return min(name for name in code.function.pending if name.startswith(word))
    if role in (WordRole.LABEL, WordRole.NEW, WordRole.NEW_OR_BASIC, WordRole.FREE):
        return word + "_"
    if role in FIRST:
        for other in conditional_words(code._replace(phase=statement_phase(role))):
            if other.startswith(word):
                return other
    return (role in USES and code.scope.complete(word)) or names.complete(role, word)

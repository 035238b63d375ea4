"""The grammar of the bodies of functions: which characters may follow, and where they lead.

The grammar is a part of C: each statement parses, and each name is declared, or a name of the lexicon, or a member.
"""

from __future__ import annotations

from seqforge_c_samplers.expressions import (
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
from seqforge_c_samplers.name_lists import LETTERS, NAME_CHARACTERS
from seqforge_c_samplers.names import NameTable, WordRole
from seqforge_c_samplers.positions import RVALUE, STAR, CodePosition, Element, Phase
from seqforge_c_samplers.statements import (
    begin_member,
    begins_item,
    can_close_block,
    close_block,
    end_declaration,
    end_statement,
    may_have_value,
    open_bracket,
    settle,
    step_type,
)
from seqforge_c_samplers.words import finish_word, next_in_word, role_of_word

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


def allowed(code: CodePosition, names: NameTable, column_zero: bool = False, line_start: bool = False) -> int:
    """Return the set of the characters that may follow.

    Args:
        code: The position, inside a function.
        names: Names that every function may use.
        column_zero: Whether the next character is in column 0.
        line_start: Whether only spaces precede it on its line.
    """
    alphabet = names.alphabet
    match code.phase:
        case Phase.WORD:
            found = next_in_word(code, names)
            if found & alphabet.complete:
                after = allowed(finish_word(code, names), names) & ~alphabet.name_characters
                found = found & ~alphabet.complete | after
            return found
        case Phase.NUMBER:
            found = alphabet.bits(continue_number(code.word))
            if is_number(code.word):
                # In C, `0xe+1` is one number, which is wrong.
                own = "+-" if code.word[-1] in "eE" else ""
                found |= allowed(finish_number(code), names) & ~(alphabet.name_characters | alphabet.bits(own))
            return found
        case Phase.OPERATION:
            continued, complete = operation_characters(code)
            found = alphabet.bits(continued)
            if complete:
                own = code.word[-1] if code.word in ("+", "-", "&") else ""
                found |= allowed(finish_operation(code), names) & ~alphabet.bits(own + "/")
            return found
        case Phase.SLASH:
            found = alphabet.bits("*/")
            if code.base in (Phase.OPERATOR, Phase.STRING):
                assignment = "=" if is_assignable(code) else ""
                found |= alphabet.bits(assignment) | allowed(code.go(Phase.OPERAND, RVALUE), names)
            return found
        case _:
            characters = other_characters(code, line_start)
            role = role_of_word(code, column_zero)
            found = alphabet.bits(characters)
            return found if role is None else found | _first_letters(code, role, names)


def _first_letters(code: CodePosition, role: WordRole, names: NameTable) -> int:
    """Return the characters that may begin a word of a role."""
    in_word = CodePosition(Phase.WORD, code.scope, code.function, code.frame, "", role, code.flags, code.base)
    return next_in_word(in_word, names) & ~names.alphabet.complete


def other_characters(code: CodePosition, line_start: bool) -> str:
    """Return the characters that may follow, except those that begin or continue words."""
    match code.phase:
        case Phase.STATEMENT:
            settled = settle(code)
            if settled.phase == Phase.WHILE:
                return WHITE
            if code.top.kind == Element.MEMBERS:
                return WHITE + "}"
            found = WHITE + ";{*("
            if begins_item(settled) and line_start:
                found += "#"
            return found + "}" if can_close_block(settled) else found
        case Phase.OPERAND:
            return operand_characters(code)
        case Phase.OPERATOR:
            return operator_characters(code)
        case Phase.STRING:
            return operator_characters(code) + '"'
        case Phase.TYPE_NAME:
            return WHITE + ("*" if code.word == "plain" and code.top.kind == Element.SIZEOF else "*)")
        case Phase.LISTED:
            return WHITE + (",}" if code.top.kind == Element.LIST else ",;")
        case Phase.ENUMERATOR:
            return WHITE + ("}" if code.top.own else "")
        case Phase.DECLARED if not may_have_value(code):
            return WHITE + "[,;"
        case Phase.TAGGED if code.top.note == "typedef":
            return WHITE + "*"
        case phase:
            return _CHARACTERS[phase]


def finish_number(code: CodePosition) -> CodePosition:
    """Return the position after a number."""
    return code.go(Phase.OPERATOR, code.flags & (RVALUE | STAR))


def step(code: CodePosition, character: str, names: NameTable, column_zero: bool = False) -> CodePosition:
    """Return the position after an allowed character of code inside a function."""
    match code.phase:
        case Phase.WORD:
            if character in NAME_CHARACTERS:
                return code.spell(code.word + character)
            code = finish_word(code, names)
        case Phase.NUMBER:
            if character in NAME_CHARACTERS:
                return code.spell(code.word + character)
            code = finish_number(code)
        case Phase.OPERATION:
            if character in operation_characters(code)[0]:
                return step_operation(code, character)
            code = finish_operation(code)
        case Phase.SLASH:
            if character in "*/":
                return code._replace(phase=code.base)
            if character == "=":
                return code.go(Phase.OPERAND)
            code = code.go(Phase.OPERAND, RVALUE)
        case _:
            pass
    if character in " \t\n":
        return code
    if character == "/":
        return code._replace(phase=Phase.SLASH, base=code.phase)
    if character in LETTERS and (role := role_of_word(code, column_zero)) is not None:
        code = begin_member(code) if role == WordRole.MEMBER else code
        return CodePosition(Phase.WORD, code.scope, code.function, code.frame, character, role, code.flags, code.phase)
    return _step_symbol(code, character)


def _step_symbol(code: CodePosition, character: str) -> CodePosition:
    """Return the position after a character that is neither white space nor part of a word."""
    match code.phase:
        case Phase.STATEMENT:
            return _step_statement(code, character)
        case Phase.OPERAND:
            return step_operand(code, character)
        case Phase.OPERATOR:
            return step_operator(code, character)
        case Phase.PREFIX:
            return code.go(Phase.STRING, code.flags)
        case Phase.STRING:
            return code if character == '"' else step_operator(code._replace(phase=Phase.OPERATOR), character)
        case Phase.CALLEE:
            kind, word = (Element.LOOP, "") if code.word == "loop" else (Element.CALL, "call")
            return code.push(kind, Phase.OPERAND, word=word)
        case Phase.OPEN:
            return open_bracket(code)
        case Phase.BODY:
            return code.push(Element.BLOCK, Phase.STATEMENT)
        case Phase.TYPE_NAME:
            return close_type(code) if character == ")" else code.go(Phase.TYPE_NAME, word="star")
        case Phase.COLON:
            return code.push(Element.SUBSTATEMENT, Phase.STATEMENT)
        case Phase.SEMICOLON:
            return end_statement(code)
        case Phase.DECLARATOR:
            return code.go(Phase.DECLARATOR)
        case Phase.DECLARED if character == "[":
            return code.push(Element.ARRAY, Phase.OPERAND, word="size")
        case Phase.DECLARED | Phase.DESIGNATOR if character == "=":
            return code.go(Phase.OPERAND, word="initial")
        case Phase.ENUMERATOR | Phase.ENUMERATED:
            return step_type(code, character)
        case Phase.LISTED if character == "}":
            return code.pop(Phase.LISTED)
        case Phase.LISTED if code.top.kind == Element.LIST:
            return code.go(Phase.OPERAND, word="list")
        case _:
            return end_declaration(code) if character == ";" else code.go(Phase.DECLARATOR)


def _step_statement(code: CodePosition, character: str) -> CodePosition:
    code = settle(code)
    if code.top.kind == Element.MEMBERS:
        return step_type(code, character)
    match character:
        case ";":
            return end_statement(code)
        case "{":
            return code.push(Element.BLOCK, Phase.STATEMENT)
        case "}":
            return close_block(code)
        case "#":
            return code.go(Phase.DIRECTIVE, word="#")
        case _:
            return step_operand(code.push(Element.EXPRESSION, Phase.OPERAND), character)

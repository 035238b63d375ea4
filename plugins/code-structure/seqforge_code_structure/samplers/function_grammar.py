"""The grammar of the bodies of functions: which characters may follow, and where they lead.

The grammar is a part of C: each statement parses, and each name is declared, or a name of the lexicon, or a member.
"""

from __future__ import annotations

from seqforge_code_structure.samplers.expressions import (
    WHITE,
    close_type,
    continue_number,
    finish_member,
    finish_operand_word,
    finish_operation,
    is_assignable,
    is_number,
    operand_characters,
    operand_role,
    operation_characters,
    operator_characters,
    step_operand,
    step_operation,
    step_operator,
)
from seqforge_code_structure.samplers.names import (
    ANNOTATIONS,
    FURTHER_TYPES,
    LETTERS,
    LONGEST_NAME,
    NAME_CHARACTERS,
    RESERVED,
    SIZES,
    USES,
    NameTable,
    Role,
)
from seqforge_code_structure.samplers.row import POISON, STAR, Kind, Phase, Row
from seqforge_code_structure.samplers.statements import (
    add_type,
    begins_item,
    can_close_block,
    close_block,
    conditional_words,
    declare,
    end_declaration,
    end_statement,
    finish_first_word,
    finish_goto,
    finish_label,
    may_declare,
    open_bracket,
    settle,
    statement_phase,
    statement_role,
)

_LISTED = frozenset({Role.WHILE, Role.TYPE, Role.BASIC, Role.ANNOTATION})
"""Roles with a list of words."""
FIRST = (Role.STATEMENT, Role.ITEM, Role.WHILE)
"""Roles of the first word of a statement."""
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
}
_ROLES = {
    Phase.MEMBER: Role.FREE,
    Phase.NAMED: Role.FREE,
    Phase.WHILE: Role.WHILE,
    Phase.GOTO: Role.FREE,
    Phase.TYPE: Role.TYPE,
    Phase.TAG: Role.FREE,
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
                found |= alphabet.bits(assignment) | allowed(row.go(Phase.OPERAND, POISON), names)
            return found
        case _:
            characters = other_characters(row, line_start)
            role = _role(row, column_zero)
            found = alphabet.bits(characters)
            return found if role is None else found | _first_letters(row, role, names)


def _first_letters(row: Row, role: Role, names: NameTable) -> int:
    """Return the characters that may begin a word of a role."""
    return next_in_word(row._replace(phase=Phase.WORD, word="", role=role), names) & ~names.alphabet.complete


def other_characters(row: Row, line_start: bool) -> str:
    """Return the characters that may follow, except those that begin or continue words."""
    match row.phase:
        case Phase.STATEMENT:
            settled = settle(row)
            if settled.phase == Phase.WHILE:
                return WHITE
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
        case phase:
            return _CHARACTERS[phase]


def _role(row: Row, column_zero: bool) -> Role | None:
    """Return the role of a word that may follow, or None."""
    phase = row.phase
    if column_zero:
        settled = settle(row) if phase == Phase.STATEMENT else row
        return Role.LABEL if begins_item(settled) else None
    match phase:
        case Phase.STATEMENT:
            return statement_role(row)
        case Phase.OPERAND:
            return operand_role(row)
        case Phase.TYPE_NAME:
            return {"basic": Role.BASIC, "plain": None}.get(row.word, Role.ANNOTATION)
        case Phase.DECLARATOR:
            return Role.NEW_OR_BASIC if row.word == "basic" else Role.NEW
        case _:
            return _ROLES.get(phase)


def next_in_word(row: Row, names: NameTable) -> int:
    """Return the characters that may continue a word, with the bit `complete` if it may end."""
    role, word, alphabet = row.role, row.word, names.alphabet
    if role in USES or role in _LISTED:
        found = names.next_characters(role, word)
        if role in USES:
            found |= row.scope.next_characters(word)
        if role in FIRST:
            for other in conditional_words(row._replace(phase=statement_phase(role))):
                if other.startswith(word):
                    found |= alphabet.complete if other == word else alphabet.bits(other[len(word)])
        return found
    if role == Role.LABEL and row.function.pending:
        found = 0
        for other in row.function.pending:
            if other.startswith(word):
                found |= alphabet.complete if other == word else alphabet.bits(other[len(word)])
        return found
    if not word:
        return alphabet.letters
    complete = _may_end(row)
    return (0 if complete and len(word) >= LONGEST_NAME else alphabet.name_characters) | (
        alphabet.complete if complete else 0
    )


def _may_end(row: Row) -> bool:
    """Return whether a word of any spelling may end."""
    match row.role:
        case Role.NEW:
            return row.word in ANNOTATIONS or may_declare(row, row.word)
        case Role.NEW_OR_BASIC:
            return row.word in FURTHER_TYPES or row.word in ANNOTATIONS or may_declare(row, row.word)
        case Role.LABEL:
            return row.word not in RESERVED and row.word not in row.function.labels
        case _:
            return row.word not in RESERVED


def finish_word(row: Row, names: NameTable) -> Row:
    """Return the position after a word."""
    role, word = row.role, row.word
    if role in FIRST:
        return finish_first_word(row, names) or finish_operand_word(
            settle(row._replace(phase=Phase.STATEMENT)).push(Kind.EXPRESSION, Phase.OPERAND, word=word), names
        )
    match role:
        case Role.TYPE:
            return add_type(row, word)
        case Role.BASIC:
            return row.go(Phase.TYPE_NAME, word="basic" if word in SIZES else "known")
        case Role.ANNOTATION:
            return row.go(Phase.TYPE_NAME, word="star")
        case Role.LABEL:
            return finish_label(row)
        case Role.NEW | Role.NEW_OR_BASIC:
            if word in ANNOTATIONS or word in FURTHER_TYPES:
                return row.go(Phase.DECLARATOR, word="basic" if word in SIZES else "")
            return declare(row)
        case Role.FREE:
            return _finish_free_word(row)
        case _:
            return finish_operand_word(row, names)


def _finish_free_word(row: Row) -> Row:
    match row.base:
        case Phase.GOTO:
            return finish_goto(row)
        case Phase.TAG:
            in_brackets = row.top.kind in (Kind.GROUP, Kind.SIZEOF)
            return row.go(Phase.TYPE_NAME, word="tag") if in_brackets else row.go(Phase.DECLARATOR)
        case Phase.NAMED:
            return row.go(Phase.DESIGNATOR)
        case _:
            return finish_member(row)


def finish_number(row: Row) -> Row:
    """Return the position after a number."""
    return row.go(Phase.OPERATOR, row.flags & (POISON | STAR))


def step(row: Row, character: str, names: NameTable, column_zero: bool = False) -> Row:
    """Return the position after an allowed character of code inside a function."""
    match row.phase:
        case Phase.WORD:
            if character in NAME_CHARACTERS:
                return row._replace(word=row.word + character)
            row = finish_word(row, names)
        case Phase.NUMBER:
            if character in NAME_CHARACTERS:
                return row._replace(word=row.word + character)
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
            row = row.go(Phase.OPERAND, POISON)
        case _:
            pass
    if character in " \t\n":
        return row
    if character == "/":
        return row._replace(phase=Phase.SLASH, base=row.phase)
    if character in LETTERS and (role := _role(row, column_zero)) is not None:
        return row._replace(phase=Phase.WORD, word=character, role=role, base=row.phase, flags=row.flags)
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
        case Phase.LISTED if character == "}":
            return row.pop(Phase.LISTED)
        case Phase.LISTED if row.top.kind == Kind.LIST:
            return row.go(Phase.OPERAND, word="list")
        case _:
            return end_declaration(row) if character == ";" else row.go(Phase.DECLARATOR)


def _step_statement(row: Row, character: str) -> Row:
    row = settle(row)
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

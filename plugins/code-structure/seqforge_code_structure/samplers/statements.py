"""Statements and declarations in the grammar of the sampler `scoped`."""

from __future__ import annotations

import re

from seqforge_code_structure.samplers.names import (
    QUALIFIERS,
    RESERVED,
    SIZES,
    STATEMENTS,
    TAGS,
    TYPES,
    NameTable,
    Role,
)
from seqforge_code_structure.samplers.row import IN_LOOP, IN_SWITCH, Function, Kind, Phase, Row

_DIRECTIVE = re.compile(r"\s*#\s*(\w*)\s*(\w*)")
_READ = re.compile(r"\s*#\s*(?:define\s+\w+\W|(?!define\b)\w+\W)")
_LONGEST_DIRECTIVE = 200


def end_statement(row: Row) -> Row:
    """Return the position after a statement, and close all statements that end with it."""
    frame = row.top
    while frame.kind == Kind.SUBSTATEMENT and frame.below:
        row = row._replace(scope=frame.scope)
        frame = frame.below
    if frame.kind == Kind.IF:
        return row._replace(phase=Phase.STATEMENT, frame=frame._replace(kind=Kind.IF_DONE), scope=frame.scope, word="")
    if frame.kind == Kind.DO:
        return row._replace(phase=Phase.WHILE, frame=frame, scope=frame.scope, word="")
    return row._replace(phase=Phase.STATEMENT, frame=frame, word="")


def settle(row: Row) -> Row:
    """Return the position if no `else` follows: every `if` that an `else` could follow is closed."""
    while row.top.kind == Kind.IF_DONE:
        row = end_statement(row._replace(frame=row.top.below))
    return row


def begins_item(row: Row) -> bool:
    """Return whether a declaration, a label or a directive may be at a position that is settled."""
    return row.phase == Phase.STATEMENT and row.top.kind in (Kind.BLOCK, Kind.BRANCH)


def can_close_block(row: Row) -> bool:
    """Return whether the block may end at a position that is settled. A function needs the labels of its jumps."""
    if row.top.kind == Kind.MEMBERS:
        return True
    return (
        row.phase == Phase.STATEMENT and row.top.kind == Kind.BLOCK and bool(row.top.below or not row.function.pending)
    )


def conditional_words(row: Row) -> list[str]:
    """Return the keywords that depend on what is around the statement."""
    words = ["else"] if row.top.kind == Kind.IF_DONE else []
    around = row.top.around
    if around and settle(row).phase == Phase.STATEMENT:
        words.append("break")
        if around & IN_LOOP:
            words.append("continue")
        if around & IN_SWITCH:
            words += ["case", "default"]
    return words


def statement_role(row: Row) -> Role:
    """Return the role of the first word of a statement that does not begin in column 0."""
    settled = settle(row)
    if settled.phase == Phase.WHILE:
        return Role.WHILE
    return Role.ITEM if begins_item(settled) else Role.STATEMENT


def statement_phase(role: Role) -> Phase:
    """Return the phase in which a first word of a statement began."""
    return Phase.WHILE if role == Role.WHILE else Phase.STATEMENT


def finish_first_word(row: Row, names: NameTable) -> Row | None:
    """Return the position after the first word of a statement, or None if it is the first operand of an expression."""
    word = row.word
    if word == "else":
        return row.pop(Phase.STATEMENT).push(Kind.SUBSTATEMENT, Phase.STATEMENT)
    row = settle(row._replace(phase=Phase.STATEMENT if row.role != Role.WHILE else Phase.WHILE))
    if word == "while" and row.top.kind == Kind.DO and row.phase == Phase.WHILE:
        return row.pop(Phase.OPEN, word="do")
    if word in STATEMENTS:
        return _begin_statement(row, word)
    if word in names.loops and word not in row.scope.names:
        return row.go(Phase.CALLEE, word="loop")
    return begin_declaration(row, word)


def _begin_statement(row: Row, word: str) -> Row:
    match word:
        case "if" | "while" | "for" | "switch":
            return row.go(Phase.OPEN, word=word)
        case "do":
            return row.push(Kind.DO, Phase.STATEMENT, around=IN_LOOP)
        case "return" if row.function.returns:
            return row.push(Kind.RETURN, Phase.OPERAND, word="return")
        case "goto":
            return row.go(Phase.GOTO)
        case "case":
            return row.push(Kind.CASE, Phase.OPERAND)
        case "default":
            return row.go(Phase.COLON)
        case _:
            return row.go(Phase.SEMICOLON)


def open_bracket(row: Row) -> Row:
    """Return the position after the bracket of a keyword."""
    match row.word:
        case "sizeof":
            return row.push(Kind.SIZEOF, Phase.OPERAND, word="group")
        case "for":
            return row.push(Kind.FOR, Phase.OPERAND, note="0", word="for")
        case keyword:
            return row.push(Kind.CONDITION, Phase.OPERAND, note=keyword)


def close_condition(row: Row) -> Row:
    """Return the position after the closing bracket of a keyword."""
    note, scope = row.top.note, row.top.scope
    row = row.pop(Phase.STATEMENT)
    if note == "do":
        return row.go(Phase.SEMICOLON)
    if note == "if":
        return row.push(Kind.IF, Phase.STATEMENT)
    row = row.push(Kind.SUBSTATEMENT, Phase.STATEMENT, around=IN_SWITCH if note == "switch" else IN_LOOP)
    # The grammar of the analysis requires a block after `switch`.
    phase = Phase.BODY if note == "switch" else Phase.STATEMENT
    return row._replace(frame=row.top._replace(scope=scope), phase=phase)


def finish_label(row: Row) -> Row:
    """Return the position after the name of a label."""
    name, function = row.word, row.function
    function = function._replace(labels=function.labels | {name}, pending=function.pending - {name})
    return settle(row._replace(phase=Phase.STATEMENT)).go(Phase.COLON)._replace(function=function)


def finish_goto(row: Row) -> Row:
    """Return the position after the target of a jump."""
    name, function = row.word, row.function
    if name not in function.labels:
        function = function._replace(pending=function.pending | {name})
    return row.go(Phase.SEMICOLON)._replace(function=function)


def begin_declaration(row: Row, word: str) -> Row | None:
    """Return the position after the first word of a declaration, or None if the word begins none."""
    if word in QUALIFIERS or word in TAGS or word in TYPES:
        return add_type(row.push(Kind.DECLARATION, Phase.TYPE), word)
    return None


def add_type(row: Row, word: str) -> Row:
    """Return the position after a word before the first name of a declaration."""
    if word in QUALIFIERS:
        return row.go(Phase.TYPE)
    if word in TAGS:
        return row.go(Phase.TAG)
    return row.go(Phase.DECLARATOR, word="basic" if word in SIZES else "")


def may_declare(row: Row, name: str) -> bool:
    """Return whether a declaration may declare a name."""
    block = row.top.below
    return name not in RESERVED and not (block and name in block.own)


def may_have_value(row: Row) -> bool:
    """Return whether the names of a declaration may have values: they are neither types nor members of one."""
    return row.top.note != "typedef" and not (row.top.below and row.top.below.kind == Kind.MEMBERS)


def declare(row: Row) -> Row:
    """Return the position after the name in a declaration."""
    block = row.top.below
    if block:
        block = block._replace(own=block.own | {row.word})
    scope = row.scope if row.top.note == "typedef" else row.scope.add([row.word])
    return row.go(Phase.DECLARED)._replace(frame=row.top._replace(below=block), scope=scope)


def end_declaration(row: Row) -> Row:
    """Return the position after the `;` of a declaration."""
    if row.top.below is None:
        return Row(Phase.LINE_END, row.scope, Function(row.scope))
    row = row.pop(Phase.STATEMENT)
    if row.top.kind == Kind.FOR:
        return row._replace(frame=row.top._replace(note="1"), phase=Phase.OPERAND, word="for")
    return row


def close_block(row: Row) -> Row:
    """Return the position after the `}` of a block."""
    block = row.top
    if block.below is None:
        return Row(Phase.LINE_END, row.function.file, Function(row.function.file))
    return end_statement(row.pop(Phase.STATEMENT)._replace(scope=block.scope))


def extend_directive(row: Row, character: str) -> Row:
    """Return the position after a character of a directive, of which only the beginning matters."""
    if _READ.match(row.word) or len(row.word) >= _LONGEST_DIRECTIVE:
        return row
    return row._replace(word=row.word + character)


def end_directive(row: Row) -> Row:
    """Return the position after a directive, whose text is the word. Names that a branch declares end with it."""
    found = _DIRECTIVE.match(row.word)
    name, macro = found.groups() if found else ("", "")
    if row.frame is None:
        scope = row.scope.add([macro]) if name == "define" and macro else row.scope
        return Row(Phase.TOP, scope, Function(scope))
    row = settle(row.go(Phase.STATEMENT))
    if name in ("if", "ifdef", "ifndef"):
        return row.push(Kind.BRANCH, Phase.STATEMENT)
    if name == "define" and macro:
        return row._replace(scope=row.scope.add([macro]))
    if row.top.kind == Kind.BRANCH:
        if name == "endif":
            return row.pop(Phase.STATEMENT)._replace(scope=row.top.scope)
        if name.startswith("el"):
            return row._replace(scope=row.top.scope, frame=row.top._replace(own=frozenset()))
    return row

"""Statements and declarations in the grammar of the sampler `scoped`, also declarations outside of functions."""

from __future__ import annotations

import re

from seqforge_c_samplers.name_lists import Scope
from seqforge_c_samplers.names import (
    QUALIFIERS,
    RESERVED,
    SIZES,
    STATEMENTS,
    TAGS,
    TYPES,
    NameTable,
    WordRole,
)
from seqforge_c_samplers.positions import IN_LOOP, IN_SWITCH, CodePosition, Element, Frame, Function, Phase

_DIRECTIVE = re.compile(r"\s*#\s*(\w*)\s*(\w*)")
_READ = re.compile(r"\s*#\s*(?:define\s+\w+\W|(?!define\b)\w+\W)")
_LONGEST_DIRECTIVE = 200


def end_statement(code: CodePosition) -> CodePosition:
    """Return the position after a statement, and close all statements that end with it."""
    frame = code.top
    while frame.kind == Element.SUBSTATEMENT and frame.below:
        code = code._replace(scope=frame.scope)
        frame = frame.below
    if frame.kind == Element.IF:
        return code._replace(
            phase=Phase.STATEMENT, frame=frame._replace(kind=Element.IF_DONE), scope=frame.scope, word=""
        )
    if frame.kind == Element.DO:
        return code._replace(phase=Phase.WHILE, frame=frame, scope=frame.scope, word="")
    return code._replace(phase=Phase.STATEMENT, frame=frame, word="")


def settle(code: CodePosition) -> CodePosition:
    """Return the position if no `else` follows: every `if` that an `else` could follow is closed."""
    while code.top.kind == Element.IF_DONE:
        code = end_statement(code._replace(frame=code.top.below))
    return code


def begins_item(code: CodePosition) -> bool:
    """Return whether a declaration, a label or a directive may be at a position that is settled."""
    return code.phase == Phase.STATEMENT and code.top.kind in (Element.BLOCK, Element.BRANCH)


def can_close_block(code: CodePosition) -> bool:
    """Return whether the block may end at a position that is settled. A function needs the labels of its jumps."""
    if code.top.kind == Element.MEMBERS:
        return True
    return (
        code.phase == Phase.STATEMENT
        and code.top.kind == Element.BLOCK
        and bool(code.top.below or not code.function.pending)
    )


def conditional_words(code: CodePosition) -> list[str]:
    """Return the keywords that depend on what is around the statement."""
    words = ["else"] if code.top.kind == Element.IF_DONE else []
    around = code.top.around
    if around and settle(code).phase == Phase.STATEMENT:
        words.append("break")
        if around & IN_LOOP:
            words.append("continue")
        if around & IN_SWITCH:
            words += ["case", "default"]
    return words


def statement_role(code: CodePosition) -> WordRole:
    """Return the role of the first word of a statement that does not begin in column 0."""
    settled = settle(code)
    if settled.phase == Phase.WHILE:
        return WordRole.WHILE
    return WordRole.ITEM if begins_item(settled) else WordRole.STATEMENT


def statement_phase(role: WordRole) -> Phase:
    """Return the phase in which a first word of a statement began."""
    return Phase.WHILE if role == WordRole.WHILE else Phase.STATEMENT


def finish_first_word(code: CodePosition, names: NameTable) -> CodePosition | None:
    """Return the position after the first word of a statement, or None if it is the first operand of an expression."""
    word = code.word
    if word == "else":
        return code.pop(Phase.STATEMENT).push(Element.SUBSTATEMENT, Phase.STATEMENT)
    code = settle(code._replace(phase=Phase.STATEMENT if code.role != WordRole.WHILE else Phase.WHILE))
    if word == "while" and code.top.kind == Element.DO and code.phase == Phase.WHILE:
        return code.pop(Phase.OPEN, word="do")
    if word in STATEMENTS:
        return _begin_statement(code, word)
    if word in names.loops and word not in code.scope.names:
        return code.go(Phase.CALLEE, word="loop")
    return begin_declaration(code, word)


def _begin_statement(code: CodePosition, word: str) -> CodePosition:
    match word:
        case "if" | "while" | "for" | "switch":
            return code.go(Phase.OPEN, word=word)
        case "do":
            return code.push(Element.DO, Phase.STATEMENT, around=IN_LOOP)
        case "return" if code.function.returns:
            return code.push(Element.RETURN, Phase.OPERAND, word="return")
        case "goto":
            return code.go(Phase.GOTO)
        case "case":
            return code.push(Element.CASE, Phase.OPERAND)
        case "default":
            return code.go(Phase.COLON)
        case _:
            return code.go(Phase.SEMICOLON)


def open_bracket(code: CodePosition) -> CodePosition:
    """Return the position after the bracket of a keyword."""
    match code.word:
        case "sizeof":
            return code.push(Element.SIZEOF, Phase.OPERAND, word="group")
        case "for":
            return code.push(Element.FOR, Phase.OPERAND, note="0", word="for")
        case keyword:
            return code.push(Element.CONDITION, Phase.OPERAND, note=keyword)


def close_condition(code: CodePosition) -> CodePosition:
    """Return the position after the closing bracket of a keyword."""
    note, scope = code.top.note, code.top.scope
    code = code.pop(Phase.STATEMENT)
    if note == "do":
        return code.go(Phase.SEMICOLON)
    if note == "if":
        return code.push(Element.IF, Phase.STATEMENT)
    code = code.push(Element.SUBSTATEMENT, Phase.STATEMENT, around=IN_SWITCH if note == "switch" else IN_LOOP)
    # The grammar of the analysis requires a block after `switch`.
    phase = Phase.BODY if note == "switch" else Phase.STATEMENT
    return code._replace(frame=code.top._replace(scope=scope), phase=phase)


def finish_label(code: CodePosition) -> CodePosition:
    """Return the position after the name of a label."""
    name, function = code.word, code.function
    function = function._replace(labels=function.labels | {name}, pending=function.pending - {name})
    return settle(code._replace(phase=Phase.STATEMENT)).go(Phase.COLON)._replace(function=function)


def finish_goto(code: CodePosition) -> CodePosition:
    """Return the position after the target of a jump."""
    name, function = code.word, code.function
    if name not in function.labels:
        function = function._replace(pending=function.pending | {name})
    return code.go(Phase.SEMICOLON)._replace(function=function)


def begin_declaration(code: CodePosition, word: str) -> CodePosition | None:
    """Return the position after the first word of a declaration, or None if the word begins none."""
    if word in QUALIFIERS or word in TAGS or word in TYPES:
        return add_type(code.push(Element.DECLARATION, Phase.TYPE), word)
    return None


def add_type(code: CodePosition, word: str) -> CodePosition:
    """Return the position after a word before the first name of a declaration."""
    if word in QUALIFIERS:
        return code.go(Phase.TYPE)
    if word in TAGS:
        return code.go(Phase.TAG)
    return code.go(Phase.DECLARATOR, word="basic" if word in SIZES else "")


def may_declare(code: CodePosition, name: str) -> bool:
    """Return whether a declaration may declare a name."""
    block = code.top.below
    return name not in RESERVED and not (block and name in block.own)


def may_have_value(code: CodePosition) -> bool:
    """Return whether the names of a declaration may have values: they are neither types nor members of one."""
    return code.top.note != "typedef" and not (code.top.below and code.top.below.kind == Element.MEMBERS)


def declare(code: CodePosition) -> CodePosition:
    """Return the position after the name in a declaration."""
    block = code.top.below
    if block:
        block = block._replace(own=block.own | {code.word})
    scope = code.scope if code.top.note == "typedef" else code.scope.add([code.word])
    return code.go(Phase.DECLARED)._replace(frame=code.top._replace(below=block), scope=scope)


def end_declaration(code: CodePosition) -> CodePosition:
    """Return the position after the `;` of a declaration."""
    if code.top.below is None:
        return CodePosition(Phase.LINE_END, code.scope, Function(code.scope))
    code = code.pop(Phase.STATEMENT)
    if code.top.kind == Element.FOR:
        return code._replace(frame=code.top._replace(note="1"), phase=Phase.OPERAND, word="for")
    return code


def close_block(code: CodePosition) -> CodePosition:
    """Return the position after the `}` of a block."""
    block = code.top
    if block.below is None:
        return CodePosition(Phase.LINE_END, code.function.file, Function(code.function.file))
    return end_statement(code.pop(Phase.STATEMENT)._replace(scope=block.scope))


def extend_directive(code: CodePosition, character: str) -> CodePosition:
    """Return the position after a character of a directive, of which only the beginning matters."""
    if _READ.match(code.word) or len(code.word) >= _LONGEST_DIRECTIVE:
        return code
    return code._replace(word=code.word + character)


def end_directive(code: CodePosition) -> CodePosition:
    """Return the position after a directive, whose text is the word. Names that a branch declares end with it."""
    found = _DIRECTIVE.match(code.word)
    name, macro = found.groups() if found else ("", "")
    if code.frame is None:
        scope = code.scope.add([macro]) if name == "define" and macro else code.scope
        return CodePosition(Phase.TOP, scope, Function(scope))
    code = settle(code.go(Phase.STATEMENT))
    if name in ("if", "ifdef", "ifndef"):
        return code.push(Element.BRANCH, Phase.STATEMENT)
    if name == "define" and macro:
        return code._replace(scope=code.scope.add([macro]))
    if code.top.kind == Element.BRANCH:
        if name == "endif":
            return code.pop(Phase.STATEMENT)._replace(scope=code.top.scope)
        if name.startswith("el"):
            return code._replace(scope=code.top.scope, frame=code.top._replace(own=frozenset()))
    return code


def begin_declared(code: CodePosition, name: str, character: str) -> CodePosition:
    """Return the position after the `=` or `[` that follows the name of a variable of the file."""
    code = _begin_outside(code.scope.add([name]), Phase.DECLARED)
    if character == "[":
        return code.push(Element.ARRAY, Phase.OPERAND, word="size")
    return code.go(Phase.OPERAND, word="initial")


def open_type(code: CodePosition, tag: str, is_typedef: bool) -> CodePosition:
    """Return the position after the `{` of a `struct`, `union` or `enum`."""
    code = _begin_outside(code.scope, Phase.TAGGED, "typedef" if is_typedef else "")
    if tag == "enum":
        return code.push(Element.ENUMERATORS, Phase.ENUMERATOR)
    return code.push(Element.MEMBERS, Phase.STATEMENT)


def _begin_outside(scope: Scope, phase: Phase, note: str = "") -> CodePosition:
    return CodePosition(
        phase, scope, Function(scope, is_body=False), Frame(Element.DECLARATION, None, 1, scope, note=note)
    )


def begin_member(code: CodePosition) -> CodePosition:
    """Return the position before the first word of a member."""
    return code.push(Element.DECLARATION, Phase.TYPE)


def declare_enumerator(code: CodePosition) -> CodePosition:
    """Return the position after the name of an enumerator."""
    frame, name = code.top, code.word
    return CodePosition(
        Phase.ENUMERATED,
        code.scope.add([name]),
        code.function,
        frame._replace(own=frame.own | {name}),
        flags=code.flags,
    )


def step_type(code: CodePosition, character: str) -> CodePosition:
    """Return the position after a symbol between the members or enumerators of a type."""
    match character:
        case "}" if code.top.kind == Element.MEMBERS:
            return code.pop(Phase.TAGGED)._replace(scope=code.top.scope)
        case "}":
            return code.pop(Phase.TAGGED)
        case ",":
            return code.go(Phase.ENUMERATOR)
        case _:
            return code.go(Phase.OPERAND)

"""Expressions and initializers in the grammar of the sampler `scoped`."""

from __future__ import annotations

import re
from functools import lru_cache

from seqforge_code_structure.identifiers.lexicon import is_constant

from seqforge_c_samplers.names import BASIC_TYPES, SIZES, TAGS, TYPES, VALUES, NameTable, WordRole
from seqforge_c_samplers.positions import CALLABLE, LVALUE, OBJECT, RVALUE, STAR, CodePosition, Element, Phase
from seqforge_c_samplers.statements import (
    begin_declaration,
    close_condition,
    end_declaration,
    end_statement,
    may_have_value,
    step_type,
)

WHITE = " \t\n/"
"""White space, and the first character of a comment."""

DIGITS = "0123456789"

_CLOSERS: dict[Element, str] = {
    Element.EXPRESSION: ";,",
    Element.RETURN: ";",
    Element.CASE: ":",
    Element.GROUP: "),",
    Element.SIZEOF: ")",
    Element.CALL: "),",
    Element.LOOP: "),",
    Element.INDEX: "]",
    Element.CONDITION: ")",
    Element.TERNARY: ":",
    Element.DECLARATION: ";,",
    Element.ARRAY: "]",
    Element.LIST: ",}",
    Element.ELEMENT: "]",
    Element.ENUMERATORS: "},",
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


def closers(code: CodePosition) -> str:
    """Return the characters that may end the expression."""
    frame = code.top
    return (")," if frame.note == "2" else ";,") if frame.kind == Element.FOR else _CLOSERS[frame.kind]


def is_assignable(code: CodePosition) -> bool:
    """Return whether the expression so far may be assigned to."""
    return code.flags & (RVALUE | LVALUE) == LVALUE


def operand_characters(code: CodePosition) -> str:
    """Return the characters other than letters that may begin an operand."""
    match code.word:
        case "cast":
            return WHITE + DIGITS + "\"'!~"
        case "&":
            return WHITE + DIGITS + "\"'(-+!~*"
        case "call":
            extra = ")"
        case "for":
            extra = ")" if code.top.note == "2" else ";"
        case "list":
            extra = "{}.["
        case "initial":
            extra = "{"
        case "size":
            extra = "]"
        case _:
            extra = ""
    return WHITE + DIGITS + "\"'(-+!~*&" + extra


def operand_role(code: CodePosition) -> WordRole:
    """Return the role of a word that begins an operand."""
    match code.word:
        case "return":
            return WordRole.RETURNED
        case "group":
            return WordRole.GROUP
        case "for":
            return WordRole.FOR if code.top.note == "0" else WordRole.OPERAND
        case _:
            return WordRole.OPERAND


def operator_characters(code: CodePosition) -> str:
    """Return the characters that may follow an operand."""
    flags = code.flags
    found = WHITE + "+-*%&|^<>=!?" + closers(code)
    if flags & CALLABLE:
        found += "("
    if flags & OBJECT:
        found += "[."
    return found


def operation_characters(code: CodePosition) -> tuple[str, bool]:
    """Return the characters that may continue an operator, and whether it is complete."""
    operator = code.word
    continued = _CONTINUED.get(operator, "")
    if operator in _ASSIGNABLE and not is_assignable(code):
        continued = continued.replace("=", "")
    if operator in "+-" and not code.flags & LVALUE:
        continued = continued.replace(operator, "")
    if operator == "-" and not code.flags & OBJECT:
        continued = continued.replace(">", "")
    return continued, operator != "!" and (operator != "=" or is_assignable(code))


def finish_operation(code: CodePosition) -> CodePosition:
    """Return the position after a binary operator."""
    return code.go(Phase.OPERAND, 0 if code.word in _ASSIGNMENTS else RVALUE)


def finish_operand_word(code: CodePosition, names: NameTable) -> CodePosition:
    """Return the position after a word that begins an operand."""
    word, kept = code.word, code.flags & (RVALUE | STAR)
    if code.role == WordRole.GROUP and (word in TAGS or word in TYPES):
        if word in TAGS:
            return code.go(Phase.TAG)
        # The parser takes `sizeof(name_t)` for a variable, so the lexicon must know the name.
        known = word in BASIC_TYPES or (code.top.kind == Element.SIZEOF and word in names.types)
        return code.go(Phase.TYPE_NAME, word="basic" if word in SIZES else "known" if known else "plain")
    if code.role == WordRole.FOR and (begun := begin_declaration(code, word)):
        return begun
    if word == "sizeof":
        return code.go(Phase.OPEN, kept, word)
    if word in names.prefixes:
        return code.go(Phase.PREFIX, kept)
    if word in code.scope.names:
        return code.go(Phase.OPERATOR, kept | LVALUE | CALLABLE | OBJECT)
    if word in VALUES:
        return code.go(Phase.OPERATOR, kept)
    if not names.is_variable(word, code.role):
        return code.go(Phase.CALLEE, kept)
    return code.go(Phase.OPERATOR, kept | CALLABLE | OBJECT | (0 if is_constant(word) else LVALUE))


def step_operand(code: CodePosition, character: str) -> CodePosition:
    """Return the position after a character that begins an operand, or ends a list that may be empty."""
    kept = code.flags & (RVALUE | STAR)
    match character:
        case '"':
            return code.go(Phase.STRING, kept)
        case "'":
            return code.go(Phase.OPERATOR, kept, character)
        case "(":
            return code.push(Element.GROUP, Phase.OPERAND, word="group")
        case "*":
            return code.go(Phase.OPERAND, kept | STAR, "*")
        case "-" | "+" | "!" | "~" | "&":
            return code.go(Phase.OPERAND, RVALUE, character)
        case "{":
            return code.push(Element.LIST, Phase.OPERAND, word="list")
        case ".":
            return code.go(Phase.NAMED)
        case "[":
            return code.push(Element.ELEMENT, Phase.OPERAND)
        case digit if digit in DIGITS:
            return code.go(Phase.NUMBER, kept, digit)
        case closer:
            return close_expression(code, closer)


def step_operator(code: CodePosition, character: str) -> CodePosition:
    """Return the position after a character that follows an operand."""
    if character in closers(code):
        return close_expression(code, character)
    match character:
        case "(":
            return code.push(Element.CALL, Phase.OPERAND, word="call")
        case "[":
            return code.push(Element.INDEX, Phase.OPERAND)
        case ".":
            return code.go(Phase.MEMBER, code.flags)
        case "?":
            return code.push(Element.TERNARY, Phase.OPERAND)
        case _:
            return code.go(Phase.OPERATION, code.flags, character)


def step_operation(code: CodePosition, character: str) -> CodePosition:
    """Return the position after a character that continues an operator."""
    operator = code.word + character
    if operator in ("++", "--"):
        return code.go(Phase.OPERATOR, code.flags & (RVALUE | STAR) | (LVALUE if code.flags & STAR else 0))
    if operator == "->":
        return code.go(Phase.MEMBER, code.flags)
    return code._replace(word=operator)


def finish_member(code: CodePosition) -> CodePosition:
    """Return the position after the name of a member."""
    return code.go(Phase.OPERATOR, code.flags & (RVALUE | STAR) | LVALUE | CALLABLE | OBJECT)


def close_expression(code: CodePosition, character: str) -> CodePosition:
    """Return the position after a character that ends an expression or one of its parts."""
    frame = code.top
    kept = frame.flags & (RVALUE | STAR)
    match frame.kind:
        case Element.CONDITION:
            return close_condition(code)
        case Element.FOR if character == ")":
            return close_condition(code)
        case Element.FOR if character == ";":
            return code._replace(frame=frame._replace(note="1" if frame.note == "0" else "2")).go(
                Phase.OPERAND, word="for"
            )
        case Element.DECLARATION:
            return end_declaration(code) if character == ";" else code.go(Phase.DECLARATOR)
        case Element.LIST:
            return code.pop(Phase.LISTED) if character == "}" else code.go(Phase.OPERAND, word="list")
        case Element.ENUMERATORS:
            return step_type(code, character)
        case _ if character == ",":
            return code.go(Phase.OPERAND)
        case Element.EXPRESSION | Element.RETURN:
            return end_statement(code.pop(Phase.STATEMENT))
        case Element.CASE:
            return code.pop(Phase.STATEMENT).push(Element.SUBSTATEMENT, Phase.STATEMENT)
        case Element.GROUP:
            return code.pop(Phase.OPERATOR, kept | LVALUE | OBJECT)
        case Element.CALL:
            return code.pop(Phase.OPERATOR, kept | OBJECT | (LVALUE if kept & STAR else 0))
        case Element.LOOP:
            return close_condition(code)
        case Element.INDEX:
            return code.pop(Phase.OPERATOR, kept | LVALUE | CALLABLE | OBJECT)
        case Element.TERNARY:
            return code.pop(Phase.OPERAND, RVALUE)
        case Element.ARRAY:
            # An array without a size needs a value.
            empty, code = code.phase == Phase.OPERAND, code.pop(Phase.DECLARED)
            return code.go(Phase.DESIGNATOR) if empty and may_have_value(code) else code
        case Element.ELEMENT:
            return code.pop(Phase.DESIGNATOR)
        case _:
            return code.pop(Phase.OPERATOR, kept)


def close_type(code: CodePosition) -> CodePosition:
    """Return the position after a type in brackets, which is a cast or the operand of `sizeof`."""
    frame = code.top
    if frame.kind == Element.SIZEOF:
        return code.pop(Phase.OPERATOR, frame.flags & (RVALUE | STAR))
    return code.pop(Phase.OPERAND, RVALUE, "cast" if code.word == "plain" else "")

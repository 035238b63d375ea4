"""A pushdown automaton for the brackets, comments, literals and directives of C that is being generated.

A state consists of the lexical mode and the innermost open element. The elements around it are on a stack, as states to
return to. `transition` returns the move for a character, `forbidden_characters` the characters that must not follow,
and `closing_character` the first character of the shortest text that closes everything. Each branch of an `#if` must
balance by itself, so that the text balances under every assignment of its conditions. This is stricter than C.

The metrics divide a text into units by its columns, too (see `seqforge_code_structure.units`): a `}` in column 0, or a
declaration that begins there, ends a unit even if brackets are open. Therefore a `}` in column 0 must close the
outermost bracket, and no declaration begins in column 0 inside a bracket.
"""

from __future__ import annotations

from enum import IntEnum, auto
from functools import cache
from typing import NamedTuple

_CLOSER = {"(": ")", "[": "]", "{": "}"}
_OTHER_CLOSERS = {")": "]}", "]": ")}", "}": ")]"}
_OTHER_NAME = "x"
_DIGIT = "0"
_DIRECTIVES = {"if": "if", "ifdef": "if", "ifndef": "if", "endif": "endif", "define": "define"}
_QUOTES = "\"'"
_QUOTED = "'"
"""Suffix of the name of a directive whose text contains quotation marks and may not be C, such as `#error don't`.

It is unknown whether they enclose a literal. No comment may begin after them, since it might be inside that literal.
"""
FRAGMENT = "\ufffd"
"""Character that represents a byte of a multi-byte character."""
_NAMES = "".join(sorted({_OTHER_NAME}.union(*_DIRECTIVES)))
"""Representatives of the characters that begin a name."""
BRANCH = "#endif\n"
"""Text that closes an `#if`, at the start of a line."""


class Mode(IntEnum):
    """Lexical context of the next character."""

    LINE_START = auto()
    COLUMN_ZERO = auto()
    """The start of a line inside a bracket, before any spaces."""
    FIRST_WORD = auto()
    """Inside a word that begins in column 0 inside a bracket."""
    FIRST_SPACE = auto()
    """After the spaces that follow such a word."""
    CODE = auto()
    SLASH = auto()
    STAR = auto()
    BACKSLASH = auto()
    DIRECTIVE_NAME = auto()
    STRING = auto()
    STRING_ESCAPE = auto()
    STRING_RETURN = auto()
    CHARACTER_START = auto()
    CHARACTER = auto()
    CHARACTER_ESCAPE = auto()
    CHARACTER_RETURN = auto()
    COMMENT = auto()
    COMMENT_STAR = auto()
    COMMENT_SLASH = auto()
    LINE_COMMENT = auto()
    LINE_COMMENT_ESCAPE = auto()


_SPECIAL = frozenset("\n\r\t #\"'/*\\()[]{}" + FRAGMENT).union(*_DIRECTIVES)
_LINE_STARTS = frozenset({Mode.LINE_START, Mode.COLUMN_ZERO})
_FIRST = frozenset({Mode.FIRST_WORD, Mode.FIRST_SPACE})
_CODE = _LINE_STARTS | _FIRST | {Mode.CODE, Mode.SLASH, Mode.STAR, Mode.BACKSLASH, Mode.DIRECTIVE_NAME}
LITERALS = frozenset(
    {Mode.STRING, Mode.STRING_ESCAPE, Mode.STRING_RETURN, Mode.COMMENT, Mode.COMMENT_STAR, Mode.COMMENT_SLASH}
    | {Mode.LINE_COMMENT, Mode.LINE_COMMENT_ESCAPE}
)
"""Modes inside of strings and comments, whose text does not change the position around them."""
_QUOTED_MODES = frozenset({Mode.STRING, Mode.CHARACTER_START, Mode.CHARACTER})
# For each mode inside a literal or comment, the mode after certain characters, and the mode after all others.
_INSIDE: dict[Mode, tuple[dict[str, Mode], Mode]] = {
    Mode.STRING: ({'"': Mode.CODE, "\\": Mode.STRING_ESCAPE}, Mode.STRING),
    Mode.STRING_ESCAPE: ({"\r": Mode.STRING_RETURN}, Mode.STRING),
    # A line break that follows continues the literal.
    Mode.STRING_RETURN: ({'"': Mode.CODE, "\\": Mode.STRING_ESCAPE}, Mode.STRING),
    Mode.CHARACTER_START: ({"\\": Mode.CHARACTER_ESCAPE, "'": Mode.CODE}, Mode.CHARACTER),
    Mode.CHARACTER: ({"\\": Mode.CHARACTER_ESCAPE, "'": Mode.CODE}, Mode.CHARACTER),
    Mode.CHARACTER_ESCAPE: ({"\r": Mode.CHARACTER_RETURN}, Mode.CHARACTER),
    Mode.CHARACTER_RETURN: ({"\\": Mode.CHARACTER_ESCAPE, "'": Mode.CODE}, Mode.CHARACTER),
    Mode.COMMENT: ({"*": Mode.COMMENT_STAR, "/": Mode.COMMENT_SLASH}, Mode.COMMENT),
    Mode.COMMENT_STAR: ({"*": Mode.COMMENT_STAR, "/": Mode.CODE}, Mode.COMMENT),
    Mode.COMMENT_SLASH: ({"*": Mode.COMMENT_STAR, "/": Mode.COMMENT_SLASH}, Mode.COMMENT),
    Mode.LINE_COMMENT: ({"\\": Mode.LINE_COMMENT_ESCAPE}, Mode.LINE_COMMENT),
    Mode.LINE_COMMENT_ESCAPE: ({}, Mode.LINE_COMMENT),
}
# The next character of the shortest text that ends each mode.
_ENDS = {
    Mode.STRING: '"',
    Mode.STRING_ESCAPE: "\\",
    Mode.STRING_RETURN: '"',
    Mode.CHARACTER_START: " ",
    Mode.CHARACTER: "'",
    Mode.CHARACTER_ESCAPE: "0",
    Mode.CHARACTER_RETURN: "'",
    Mode.COMMENT: "*",
    Mode.COMMENT_STAR: "/",
    Mode.COMMENT_SLASH: " ",
    Mode.LINE_COMMENT: "\n",
    Mode.LINE_COMMENT_ESCAPE: " ",
}
# In code, the mode after each character that is not a bracket, a line break, or a `#` that begins a directive.
_CODE_MODES = {'"': Mode.STRING, "'": Mode.CHARACTER_START, "/": Mode.SLASH, "*": Mode.STAR, "\\": Mode.BACKSLASH}


class LexicalState(NamedTuple):
    """State of the brackets, comments, literals and directives of a generated text.

    Attributes:
        mode: Lexical mode.
        top: Text that closes the innermost open element, or "". Inside a directive, only its own elements count.
        directive: Name of the directive so far, or a name with the same effect. None outside of directives.
        outside: Inside a directive, the `top` around the directive.
        nested: Whether a bracket is open around the innermost open element, apart from those of the directive.
    """

    mode: Mode = Mode.LINE_START
    top: str = ""
    directive: str | None = None
    outside: str = ""
    nested: bool = False


class Move(NamedTuple):
    """Effect of a character.

    Attributes:
        state: Next state, or None if it is popped from the stack.
        pushed: State that is pushed onto the stack, or None.
        drops: Whether all states inside the directive are popped, too.
    """

    state: LexicalState | None
    pushed: LexicalState | None = None
    drops: bool = False

    @property
    def states(self) -> tuple[LexicalState, ...]:
        """The next state and the pushed state, without None."""
        return tuple(state for state in (self.state, self.pushed) if state is not None)


def transition(state: LexicalState, character: str) -> Move:
    """Return the effect of a character. A forbidden character has the effect that it has for a compiler."""
    mode, top, directive, outside, nested = state
    if mode in _INSIDE:
        if character == "\n" and (mode in _QUOTED_MODES or mode is Mode.LINE_COMMENT):
            return _end_line(state)
        special, other = _INSIDE[mode]
        return Move(state._replace(mode=special.get(character, other)))
    if mode is Mode.BACKSLASH and character in _QUOTES:
        return Move(state._replace(mode=Mode.CODE))
    if mode is Mode.BACKSLASH and character == "\r" and directive is not None:
        return Move(state)
    if mode is Mode.SLASH and character == "*":
        return Move(state._replace(mode=Mode.COMMENT))
    if mode is Mode.SLASH and character == "/":
        # The comment extends to the end of the directive, whose open brackets can no longer be closed.
        drops = directive is not None and top != ""
        return Move(LexicalState(Mode.LINE_COMMENT, "" if drops else top, directive, outside, nested), drops=drops)
    if character == "\n":
        continued = mode is Mode.BACKSLASH and directive is not None
        return Move(state._replace(mode=Mode.CODE)) if continued else _end_line(state)
    if mode in _LINE_STARTS:
        if character in " \t":
            return Move(state._replace(mode=Mode.LINE_START))
        if character == "#":
            return Move(LexicalState(Mode.DIRECTIVE_NAME, "", "", top, nested))
        if mode is Mode.COLUMN_ZERO and _begins_name(character):
            return Move(state._replace(mode=Mode.FIRST_WORD))
    elif mode in _FIRST:
        if character in " \t":
            return Move(state._replace(mode=Mode.FIRST_SPACE))
        if mode is Mode.FIRST_WORD and (_is_part_of_name(character) or character == FRAGMENT):
            return Move(state)
    elif mode is Mode.DIRECTIVE_NAME and directive is not None:
        if _is_part_of_name(character):
            return Move(state._replace(directive=_shorten_name(directive + character)))
        if not directive and character in " \t":
            return Move(state)
        directive = _DIRECTIVES.get(directive, _OTHER_NAME)
    next_state = LexicalState(_CODE_MODES.get(character, Mode.CODE), top, directive, outside, nested)
    if directive is not None and directive != "define":
        if character in _QUOTES:
            return Move(LexicalState(Mode.CODE, top, directive.rstrip(_QUOTED) + _QUOTED, outside, nested))
    elif character in _CLOSER:
        inner = next_state._replace(top=_CLOSER[character])
        return Move(inner if directive is not None else inner._replace(nested=_is_in_bracket(state)), pushed=next_state)
    elif character == top:
        return Move(None)
    return Move(next_state)


def _begins_name(character: str) -> bool:
    return character.isalpha() or character == "_"


def _is_part_of_name(character: str) -> bool:
    return character.isalnum() or character == "_"


def _is_in_bracket(state: LexicalState) -> bool:
    """Return whether a bracket is open in a state outside of directives."""
    return state.nested or state.top not in ("", BRANCH)


def _shorten_name(prefix: str) -> str:
    """Return the prefix if a name in `_DIRECTIVES` begins with it, else `_OTHER_NAME`."""
    return prefix if any(name.startswith(prefix) for name in _DIRECTIVES) else _OTHER_NAME


def _end_line(state: LexicalState) -> Move:
    """Return the effect of a line break that nothing continues: it ends a directive, and `#if` opens a branch."""
    line_start = LexicalState(top=state.top if state.directive is None else state.outside, nested=state.nested)
    if inside := _is_in_bracket(line_start):
        line_start = line_start._replace(mode=Mode.COLUMN_ZERO)
    if state.directive is not None and state.top:
        return Move(line_start, drops=True)
    name = _resolve_name(state)
    if name == "if":
        return Move(LexicalState(line_start.mode, BRANCH, nested=inside), pushed=line_start)
    return Move(None if name == "endif" and state.outside == BRANCH else line_start)


def _resolve_name(state: LexicalState) -> str | None:
    """Return the entry of the directive's name in `_DIRECTIVES`, as if the name were complete, or None."""
    return _DIRECTIVES.get((state.directive or "").rstrip(_QUOTED))


def representative(character: str) -> str:
    """Return the character that represents all characters with the same effect in every state."""
    if character in _SPECIAL:
        return character
    if _begins_name(character):
        return _OTHER_NAME
    return _DIGIT if character.isalnum() else ";"


def forbidden_characters(state: LexicalState) -> str:
    """Return the characters that close nothing, or after which an open element can never be closed."""
    mode, top, directive, outside, nested = state
    if mode in _QUOTED_MODES:
        return "\n'" if mode is Mode.CHARACTER_START else "\n"
    if mode not in _CODE:
        return "*" if mode is Mode.COMMENT_SLASH else ""
    symbols = ""
    if mode is Mode.DIRECTIVE_NAME:
        # `#else`, `#elif` and `#endif` end a branch, which must be open and balanced.
        symbols += "e" if not directive and outside != BRANCH else ""
        # Whether the whole character continues the name is not known at its first byte.
        symbols += FRAGMENT
    if mode is Mode.COLUMN_ZERO and nested and top == "}":
        symbols += "}"
    # A name and a name, or a name and a bracket, would be a declaration.
    if mode is Mode.FIRST_WORD:
        symbols += "("
    if mode is Mode.FIRST_SPACE:
        symbols += _NAMES + "*" + FRAGMENT
    if mode is Mode.STAR:
        symbols += "/"
    if mode is Mode.SLASH and directive is not None:
        symbols += "/*" if directive.endswith(_QUOTED) else "/" if top else ""
    if mode is Mode.BACKSLASH and directive is not None:
        # A carriage return would separate the backslash from a line break.
        symbols += "\r"
    if directive is None or directive == "define":
        symbols += _OTHER_CLOSERS.get(top, ")]}")
    if directive is not None and top and mode is not Mode.BACKSLASH:
        symbols += "\n"
    return symbols


def closing_character(state: LexicalState) -> str:
    """Return the first character of the shortest text that closes everything, or "" if nothing is open.

    The character is never forbidden.
    """
    mode, top, directive, outside, nested = state
    may_open_branch = mode is Mode.DIRECTIVE_NAME or _resolve_name(state) == "if"
    ends_anyhow = mode in (Mode.LINE_COMMENT, Mode.LINE_COMMENT_ESCAPE)
    if not (top or outside or may_open_branch or (mode in _ENDS and not ends_anyhow)):
        return ""
    if mode in _ENDS:
        return _ENDS[mode]
    if mode is Mode.DIRECTIVE_NAME and outside == BRANCH and BRANCH.startswith(f"#{directive}"):
        return BRANCH.removeprefix(f"#{directive}")[0]
    if top and (top != BRANCH or mode in _LINE_STARTS):
        return " " if mode is Mode.COLUMN_ZERO and top == "}" and nested else top[0]
    # After a backslash, a line break would continue the directive.
    return " " if mode is Mode.BACKSLASH and directive is not None else "\n"


@cache
def closing_length(state: LexicalState) -> int:
    """Return the number of characters that close everything that is open in a state, without its stack."""
    character = closing_character(state)
    if not character:
        return 0
    return 1 + sum(map(closing_length, transition(state, character).states))

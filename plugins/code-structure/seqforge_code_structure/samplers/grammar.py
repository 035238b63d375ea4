"""How a text that is being written goes on: a grammar of what opens and closes, as a pushdown automaton.

A state knows the lexical mode and the innermost of what is open; what is around that waits on a stack, as states to
return to. `after` gives the move for each character, `forbidden` what must not come next, and `closer` the character by
which what is open is closed soonest. The branches of `#if` must each be balanced in themselves, which is more than C
asks for, so that the text balances under every assignment of its conditions.
"""

from __future__ import annotations

from enum import IntEnum, auto
from functools import cache
from typing import NamedTuple

_CLOSER = {"(": ")", "[": "]", "{": "}"}
_CLOSERS_BUT = {")": "]}", "]": ")}", "}": ")]"}
_OTHER_NAME = "x"
_NAMES_ALIKE = {"if": "if", "ifdef": "if", "ifndef": "if", "endif": "endif", "define": "define"}
_QUOTES = "\"'"
_QUOTED = "'"
"""Stands behind the name of a directive that is not C: whether its quotes enclose something is known too late.

No comment may begin behind them: it could be a literal's, and what is in it be none.
"""
FRAGMENT = "\ufffd"
"""Stands for a byte that is a part of a character."""
BRANCH = "#endif\n"
"""Closes what an `#if` opened, from a line's start."""


class Mode(IntEnum):
    """What a character would be a part of."""

    LINE_START = auto()
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


_SIGNS = frozenset("\n\r\t #\"'/*\\()[]{}" + FRAGMENT).union(*_NAMES_ALIKE)
_CODE = frozenset({Mode.LINE_START, Mode.CODE, Mode.SLASH, Mode.STAR, Mode.BACKSLASH, Mode.DIRECTIVE_NAME})
_LITERALS = frozenset({Mode.STRING, Mode.CHARACTER_START, Mode.CHARACTER})
# Of each mode inside a literal or comment: the mode after certain characters, and after any other.
_INSIDE: dict[Mode, tuple[dict[str, Mode], Mode]] = {
    Mode.STRING: ({'"': Mode.CODE, "\\": Mode.STRING_ESCAPE}, Mode.STRING),
    Mode.STRING_ESCAPE: ({"\r": Mode.STRING_RETURN}, Mode.STRING),
    # A line's end may follow, which then continues the literal, or anything else.
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
# By which each of them is ended soonest.
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
# In code, what a character leads to unless it is a bracket, a line's end, or a `#` that begins a directive.
_CODE_MODES = {'"': Mode.STRING, "'": Mode.CHARACTER_START, "/": Mode.SLASH, "*": Mode.STAR, "\\": Mode.BACKSLASH}


class State(NamedTuple):
    """Where a text stands.

    Attributes:
        mode: What the next character would be a part of.
        top: What closes the innermost thing that is open, or ""; inside a directive, in it alone.
        directive: The directive's name as far as it is written, or one that stands for it; None outside of directives.
        outside: Inside a directive, the top around it.
    """

    mode: Mode = Mode.LINE_START
    top: str = ""
    directive: str | None = None
    outside: str = ""


class Move(NamedTuple):
    """What a character does.

    Attributes:
        state: Where it leads; None for the state on top of the stack, which it takes off.
        pushed: What it puts on the stack, or None.
        drops: Whether it takes off the stack, besides, all that is inside the directive.
    """

    state: State | None
    pushed: State | None = None
    drops: bool = False

    @property
    def states(self) -> tuple[State, ...]:
        """Those that it leads to or puts on the stack."""
        return tuple(state for state in (self.state, self.pushed) if state is not None)


def after(state: State, character: str) -> Move:
    """Tell what a character does. One that is forbidden is passed over as a compiler would.

    Args:
        state: Before it.
        character: One character.

    Returns:
        Where it leads, and what that does to the stack.
    """
    mode, top, directive, outside = state
    if mode in _INSIDE:
        if character == "\n" and (mode in _LITERALS or mode is Mode.LINE_COMMENT):
            return _line_ended(state)
        special, other = _INSIDE[mode]
        return Move(State(special.get(character, other), top, directive, outside))
    if mode is Mode.BACKSLASH and character in _QUOTES:
        return Move(State(Mode.CODE, top, directive, outside))
    if mode is Mode.BACKSLASH and character == "\r" and directive is not None:
        return Move(state)
    if mode is Mode.SLASH and character == "*":
        return Move(State(Mode.COMMENT, top, directive, outside))
    if mode is Mode.SLASH and character == "/":
        # A directive's brackets that are open now are so for good.
        drops = directive is not None and top != ""
        return Move(State(Mode.LINE_COMMENT, "" if drops else top, directive, outside), drops=drops)
    if character == "\n":
        continued = mode is Mode.BACKSLASH and directive is not None
        return Move(State(Mode.CODE, top, directive, outside)) if continued else _line_ended(state)
    if mode is Mode.LINE_START:
        if character in " \t":
            return Move(state)
        if character == "#":
            return Move(State(Mode.DIRECTIVE_NAME, "", "", top))
    elif mode is Mode.DIRECTIVE_NAME and directive is not None:
        if character.isalnum() or character == "_":
            return Move(State(mode, top, _name(directive + character), outside))
        if not directive and character in " \t":
            return Move(state)
        directive = _NAMES_ALIKE.get(directive, _OTHER_NAME)
    following = State(_CODE_MODES.get(character, Mode.CODE), top, directive, outside)
    if directive is not None and directive != "define":
        if character in _QUOTES:
            return Move(State(Mode.CODE, top, directive.rstrip(_QUOTED) + _QUOTED, outside))
    elif character in _CLOSER:
        return Move(following._replace(top=_CLOSER[character]), pushed=following)
    elif character == top:
        return Move(None)
    return Move(following)


def _name(written: str) -> str:
    """Keep what may become the name of a directive that matters here."""
    return written if any(name.startswith(written) for name in _NAMES_ALIKE) else _OTHER_NAME


def _line_ended(state: State) -> Move:
    line_start = State(Mode.LINE_START, state.top if state.directive is None else state.outside)
    if state.directive is not None and state.top:
        return Move(line_start, drops=True)
    name = _settled_name(state)
    if name == "if":
        return Move(State(Mode.LINE_START, BRANCH), pushed=line_start)
    return Move(None if name == "endif" and state.outside == BRANCH else line_start)


def _settled_name(state: State) -> str | None:
    """Give what the directive's name stands for, if it was complete; None for one that does not matter."""
    return _NAMES_ALIKE.get((state.directive or "").rstrip(_QUOTED))


def stands_for(character: str) -> str:
    """Give the character by which every move is the same.

    Args:
        character: One character.
    """
    if character in _SIGNS:
        return character
    return _OTHER_NAME if character.isalnum() or character == "_" else ";"


def forbidden(state: State) -> str:
    """Tell what must not come next: what closes nothing, or leaves something open for good.

    Args:
        state: Before it.

    Returns:
        Characters, each once.
    """
    mode, top, directive, outside = state
    if mode in _LITERALS:
        return "\n'" if mode is Mode.CHARACTER_START else "\n"
    if mode not in _CODE:
        return "*" if mode is Mode.COMMENT_SLASH else ""
    symbols = ""
    if mode is Mode.DIRECTIVE_NAME:
        # `#else`, `#elif` and `#endif` end a branch, which must be there, and balanced.
        symbols += "e" if not directive and outside != BRANCH else ""
        # Whether its character goes on with the name is known too late.
        symbols += FRAGMENT
    if mode is Mode.STAR:
        symbols += "/"
    if mode is Mode.SLASH and directive is not None:
        symbols += "/*" if directive.endswith(_QUOTED) else "/" if top else ""
    if mode is Mode.BACKSLASH and directive is not None:
        # It would stand between the backslash and a line's end.
        symbols += "\r"
    if directive is None or directive == "define":
        symbols += _CLOSERS_BUT.get(top, ")]}")
    if directive is not None and top and mode is not Mode.BACKSLASH:
        symbols += "\n"
    return symbols


def closer(state: State) -> str:
    """Give the character by which what is open is closed soonest, which is never forbidden; "" where nothing is.

    Args:
        state: Before it.
    """
    mode, top, directive, outside = state
    may_open_branch = mode is Mode.DIRECTIVE_NAME or _settled_name(state) == "if"
    ends_anyhow = mode in (Mode.LINE_COMMENT, Mode.LINE_COMMENT_ESCAPE)
    if not (top or outside or may_open_branch or (mode in _ENDS and not ends_anyhow)):
        return ""
    if mode in _ENDS:
        return _ENDS[mode]
    if mode is Mode.DIRECTIVE_NAME and outside == BRANCH and BRANCH.startswith(f"#{directive}"):
        return BRANCH.removeprefix(f"#{directive}")[0]
    if top and (top != BRANCH or mode is Mode.LINE_START):
        return top[0]
    # Behind a backslash a directive would go on in the next line.
    return " " if mode is Mode.BACKSLASH and directive is not None else "\n"


@cache
def length_to_close(state: State) -> int:
    """Give the number of characters that close what a state has open, without what its stack has.

    Args:
        state: Before them.
    """
    character = closer(state)
    if not character:
        return 0
    return 1 + sum(map(length_to_close, after(state, character).states))

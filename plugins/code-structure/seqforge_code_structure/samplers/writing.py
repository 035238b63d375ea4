"""Where a text that is being written stands: its lexical mode, and what is open.

A state is a value; `after` gives the next one for each character. What must not come next is told by `forbidden`, and
what would close all that is open by `closing`. The branches of `#if` must each be balanced in themselves, which is more
than C asks for, so that the text balances under every assignment of its conditions.
"""

from __future__ import annotations

from enum import IntEnum, auto
from typing import NamedTuple

from seqforge_code_structure.limits import DEEPEST_NESTING

_CLOSER = {"(": ")", "[": "]", "{": "}"}
BRANCH = "\n#endif\n"
_OPENS_BRANCH = frozenset({"if", "ifdef", "ifndef"})
_NAMES = ("if", "ifdef", "ifndef", "endif", "define")
_OTHER_NAME = "x"
_QUOTES = "\"'"
_QUOTED = "'"
"""Stands behind the name of a directive that is not C: whether its quotes enclose something is known too late."""


class Mode(IntEnum):
    """What a character would be a part of."""

    __hash__ = int.__hash__  # That of enumerations is written in Python, and slow.

    LINE_START = auto()
    CODE = auto()
    SLASH = auto()
    STAR = auto()
    BACKSLASH = auto()
    DIRECTIVE_NAME = auto()
    STRING = auto()
    STRING_ESCAPE = auto()
    CHARACTER_START = auto()
    CHARACTER = auto()
    CHARACTER_ESCAPE = auto()
    COMMENT = auto()
    COMMENT_STAR = auto()
    COMMENT_SLASH = auto()
    LINE_COMMENT = auto()
    LINE_COMMENT_ESCAPE = auto()


SIGNS = frozenset("\n#\"'/*\\()[]{}")
"""Characters that may change more than a line's start, or the name of a directive."""
_LASTING = frozenset({Mode.CODE, Mode.STRING, Mode.CHARACTER, Mode.COMMENT, Mode.LINE_COMMENT})
_CODE = frozenset({Mode.LINE_START, Mode.CODE, Mode.SLASH, Mode.STAR, Mode.BACKSLASH, Mode.DIRECTIVE_NAME})
_LITERALS = frozenset({Mode.STRING, Mode.CHARACTER_START, Mode.CHARACTER})
# Of each mode inside a literal or comment: the mode after certain characters, and after any other.
_INSIDE: dict[Mode, tuple[dict[str, Mode], Mode]] = {
    Mode.STRING: ({'"': Mode.CODE, "\\": Mode.STRING_ESCAPE}, Mode.STRING),
    Mode.STRING_ESCAPE: ({}, Mode.STRING),
    Mode.CHARACTER_START: ({"\\": Mode.CHARACTER_ESCAPE, "'": Mode.CODE}, Mode.CHARACTER),
    Mode.CHARACTER: ({"\\": Mode.CHARACTER_ESCAPE, "'": Mode.CODE}, Mode.CHARACTER),
    Mode.CHARACTER_ESCAPE: ({}, Mode.CHARACTER),
    Mode.COMMENT: ({"*": Mode.COMMENT_STAR, "/": Mode.COMMENT_SLASH}, Mode.COMMENT),
    Mode.COMMENT_STAR: ({"*": Mode.COMMENT_STAR, "/": Mode.CODE}, Mode.COMMENT),
    Mode.COMMENT_SLASH: ({"*": Mode.COMMENT_STAR, "/": Mode.COMMENT_SLASH}, Mode.COMMENT),
    Mode.LINE_COMMENT: ({"\\": Mode.LINE_COMMENT_ESCAPE}, Mode.LINE_COMMENT),
    Mode.LINE_COMMENT_ESCAPE: ({}, Mode.LINE_COMMENT),
}
_ENDS = {
    Mode.STRING: '"',
    Mode.STRING_ESCAPE: '\\"',
    Mode.CHARACTER_START: "0'",
    Mode.CHARACTER: "'",
    Mode.CHARACTER_ESCAPE: "0'",
    Mode.COMMENT: "*/",
    Mode.COMMENT_STAR: "/",
    Mode.COMMENT_SLASH: " */",
    Mode.LINE_COMMENT: "\n",
    Mode.LINE_COMMENT_ESCAPE: " \n",
}
# In code, what a character leads to unless it is a bracket, a line's end, or a `#` that begins a directive.
_CODE_MODES = {'"': Mode.STRING, "'": Mode.CHARACTER_START, "/": Mode.SLASH, "*": Mode.STAR, "\\": Mode.BACKSLASH}


class Open(NamedTuple):
    """Something that is open, on top of what was opened before it.

    Attributes:
        below: What is open around it, or None.
        closer: What closes it: a bracket, or an `#endif` with its lines' ends.
        length: Characters that close it and all below it.
    """

    below: Open | None
    closer: str
    length: int


class State(NamedTuple):
    """Where a text stands.

    Attributes:
        mode: What the next character would be a part of.
        top: What is open; inside a directive, in it alone.
        directive: The directive's name as far as it is written, or `x` where it is none that matters; None outside of
            directives.
        outside: Inside a directive, what is open around it.
    """

    mode: Mode = Mode.LINE_START
    top: Open | None = None
    directive: str | None = None
    outside: Open | None = None


def after(state: State, character: str) -> State:
    """Write a character. One that is forbidden is passed over as a compiler would.

    Args:
        state: Before it.
        character: One character.

    Returns:
        The state behind it: most often the very same, which is what most characters make no difference to.
    """
    mode, top, directive, outside = state
    if mode in _LASTING and character not in SIGNS:
        return state
    if mode in _INSIDE:
        if character == "\n" and (mode in _LITERALS or mode is Mode.LINE_COMMENT):
            return _line_ended(state)
        special, other = _INSIDE[mode]
        return State(special.get(character, other), top, directive, outside)
    if mode is Mode.BACKSLASH and character in _QUOTES:
        return State(Mode.CODE, top, directive, outside)
    if mode is Mode.SLASH and character in "/*":
        return State(Mode.COMMENT if character == "*" else Mode.LINE_COMMENT, top, directive, outside)
    if character == "\n":
        return (
            State(Mode.CODE, top, directive, outside)
            if mode is Mode.BACKSLASH and directive is not None
            else _line_ended(state)
        )
    if mode is Mode.LINE_START:
        if character in " \t":
            return state
        if character == "#":
            return State(Mode.DIRECTIVE_NAME, None, "", top)
    elif mode is Mode.DIRECTIVE_NAME and directive is not None:
        if character.isalnum() or character == "_":
            return State(mode, top, _name(directive + character), outside)
        if not directive and character in " \t":
            return state
    if directive is not None and directive != "define":
        if character in _QUOTES:
            return State(Mode.CODE, top, directive.rstrip(_QUOTED) + _QUOTED, outside)
    else:
        if character in "([{":
            top = Open(top, _CLOSER[character], 1 + (top.length if top else 0))
        elif top and character == top.closer:
            top = top.below
    return State(_CODE_MODES.get(character, Mode.CODE), top, directive, outside)


def _name(written: str) -> str:
    """Keep what may become the name of a directive that matters here."""
    return written if any(name.startswith(written) for name in _NAMES) else _OTHER_NAME


def lasts(state: State) -> bool:
    """Tell whether a state is the same after any character but `SIGNS`.

    Args:
        state: Before it.
    """
    return state.mode in _LASTING


def is_like_others(state: State, character: str) -> bool:
    """Tell whether all characters but `SIGNS` and blanks lead to one state, and this is one of them.

    Args:
        state: Before it.
        character: One character.
    """
    return state.mode is not Mode.DIRECTIVE_NAME and character not in SIGNS and character not in " \t"


def _line_ended(state: State) -> State:
    if state.directive is None:
        return State(Mode.LINE_START, state.top)
    top = state.outside
    directive = state.directive.rstrip(_QUOTED)
    if directive in _OPENS_BRANCH:
        top = Open(top, BRANCH, len(BRANCH) + (top.length if top else 0))
    elif directive == "endif" and top and top.closer == BRANCH:
        top = top.below
    return State(Mode.LINE_START, top)


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
    if mode is Mode.DIRECTIVE_NAME and not directive:
        # `#else`, `#elif` and `#endif` end a branch, which must be there, and balanced. `#if` opens one more.
        deep = outside is not None and outside.length >= DEEPEST_NESTING
        return ("" if outside and outside.closer == BRANCH else "e") + ("i" if deep else "")
    if directive is not None and directive != "define":
        return "/" if mode is Mode.STAR else "*" if mode is Mode.SLASH and directive.endswith(_QUOTED) else ""
    symbols = _CLOSERS_BUT.get(top.closer if top else "", ")]}")
    if top and top.length >= DEEPEST_NESTING:
        symbols += "([{"
    if mode is Mode.STAR or (mode is Mode.SLASH and directive and top):
        symbols += "/"
    if directive and top and mode is not Mode.BACKSLASH:
        symbols += "\n"
    return symbols


_CLOSERS_BUT = {")": "]}", "]": ")}", "}": ")]"}


def closing(state: State) -> str:
    """Give a short text that would close all that is open; "" where nothing is.

    Once its first character is written, what remains is shorter.

    Args:
        state: Before it.
    """
    comment = state.mode in (Mode.LINE_COMMENT, Mode.LINE_COMMENT_ESCAPE)
    if not (state.top or state.outside or _may_open_branch(state) or (state.mode in _ENDS and not comment)):
        return ""
    if state.mode is Mode.LINE_START:
        return _closers(state.top).removeprefix("\n")
    if state.mode is Mode.DIRECTIVE_NAME and _ends_branch(state):
        return BRANCH.partition("#")[2].removeprefix(state.directive or "") + _closers(
            state.outside and state.outside.below
        )
    rest = _ENDS.get(state.mode, "") + _closers(state.top) + _around(state)
    # Behind a backslash a directive would go on in the next line.
    continued = state.mode is Mode.BACKSLASH and state.directive is not None and rest.startswith("\n")
    return " " + rest if continued else rest


def _ends_branch(state: State) -> bool:
    """Tell whether the directive that is being written may become the `#endif` of a branch."""
    return bool(state.outside) and state.outside.closer == BRANCH and "endif".startswith(state.directive or "")


def closing_length(state: State) -> int:
    """Give a bound on the length of `closing`, at once.

    Args:
        state: Before it.
    """
    inner = state.top.length if state.top else 0
    outer = state.outside.length if state.outside else 0
    return len(_ENDS.get(state.mode, "")) + inner + outer + (0 if state.directive is None else 2 + len(BRANCH))


def _may_open_branch(state: State) -> bool:
    """Tell whether the line that is being written is an `#if`, or may become one."""
    return state.mode is Mode.DIRECTIVE_NAME or (state.directive or "").rstrip(_QUOTED) in _OPENS_BRANCH


def _around(state: State) -> str:
    """Close what is around a directive, behind its line."""
    if state.directive is None:
        return ""
    outside = _line_ended(state).top
    ended = state.mode in (Mode.LINE_COMMENT, Mode.LINE_COMMENT_ESCAPE)
    needed = not ended and (outside is not None or _may_open_branch(state))
    return ("\n" if needed else "") + _closers(outside)


def _closers(top: Open | None) -> str:
    closers: list[str] = []
    while top is not None:
        closers.append(top.closer)
        top = top.below
    return "".join(closers)

"""Match brackets, where the preprocessor's conditions (see `conditions`) compile the text.

In a complete unit every bracket must have a match. A unit that is cut at its end has open brackets even if it is
correct, so `check_semicolon` looks for indirect signs of an extra or missing bracket.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from seqforge_code_structure.defects import DEEPEST_NESTING, Defect
from seqforge_code_structure.structure import TokenKind, scan_directive

OPENER = {")": "(", "]": "[", "}": "{"}
"""Opening bracket of each closing bracket."""

BIT = {"(": 1, "[": 2, "{": 4}
"""Bit of each kind of opening bracket, for sets of kinds."""


def report_bracket(position: int, message: str) -> Defect:
    """Return the defect of a bracket, or of the character that shows that one is wrong."""
    return Defect(position, position + 1, "bracket", message)


class OpenBracket(NamedTuple):
    """An open bracket, linked to the one around it. The topmost one represents a stack; None represents an empty one.

    Attributes:
        below: The open bracket directly around it, or None.
        bracket: `(`, `[` or `{`.
        position: Position in the text.
        depth: Number of open brackets, including this one.
        kinds: Set of the kinds of these brackets, as a sum of values of `BIT`.
    """

    below: OpenBracket | None
    bracket: str
    position: int
    depth: int
    kinds: int


class Stack:
    """The open brackets at the current position.

    Attributes:
        top: The innermost one, or None.
        beginning_missing: Whether the text may lack the opening brackets of its first unit. `clear` resets it.
    """

    __slots__ = ("beginning_missing", "top")

    def __init__(self, beginning_missing: bool = False) -> None:
        self.top: OpenBracket | None = None
        self.beginning_missing = beginning_missing

    @property
    def full(self) -> bool:
        """Whether the nesting limit is reached."""
        return self.top is not None and self.top.depth >= DEEPEST_NESTING

    def clear(self) -> None:
        """Remove all open brackets."""
        self.top = None
        self.beginning_missing = False

    def open(self, bracket: str, position: int) -> None:
        """Push an opening bracket."""
        depth, kinds = (self.top.depth, self.top.kinds) if self.top else (0, 0)
        self.top = OpenBracket(self.top, bracket, position, depth + 1, kinds | BIT[bracket])

    def close(self, bracket: str, position: int) -> Defect | None:
        """Pop the match of a closing bracket, and return any error.

        A closing bracket whose match is not on top also closes all brackets above the match. One without a match
        changes nothing or, if the beginning is missing, closes all brackets.
        """
        self.top, defect = self._pop(self.top, bracket, position)
        return defect

    def _pop(self, top: OpenBracket | None, bracket: str, position: int) -> tuple[OpenBracket | None, Defect | None]:
        if top is None:
            return None, None if self.beginning_missing else report_bracket(position, f"{bracket!r} closes nothing")
        opener = OPENER[bracket]
        if top.bracket == opener:
            return top.below, None
        if not top.kinds & BIT[opener] and not self.beginning_missing:
            return top, report_bracket(position, f"{bracket!r} closes nothing; {top.bracket!r} is open")
        # Each bracket that is skipped here leaves the stack, so all these loops together take linear time.
        match: OpenBracket | None = top
        while match is not None and match.bracket != opener:
            match = match.below
        message = f"{top.bracket!r} is not closed before {bracket!r}"
        return match.below if match else None, report_bracket(top.position, message)

    def unclosed(self) -> list[Defect]:
        """Return a defect for every bracket that is open, in the order of the text."""
        found: list[Defect] = []
        top = self.top
        while top is not None:
            found.append(report_bracket(top.position, f"{top.bracket!r} is never closed"))
            top = top.below
        return found[::-1]


def check_macro(text: str, start: int, stop: int, cut: bool) -> tuple[int, list[Defect]]:
    """Return the number of brackets of a `#define`, and the defects among them: brackets without a match in it.

    If the text is `cut` inside the directive, brackets may be open at its end.
    """
    stack = Stack()
    count = 0
    defects: list[Defect] = []
    for match in scan_directive(text, start, stop):
        if match.lastindex != TokenKind.BRACKET:
            continue
        position = match.end() - 1
        count += 1
        if (bracket := text[position]) in "([{":
            stack.open(bracket, position)
        elif defect := stack.close(bracket, position):
            defects.append(defect)
    if not cut:
        defects += stack.unclosed()
    return count, [defect._replace(rule="macro-bracket") for defect in defects]


_WORD_BEFORE = re.compile(r"(\w*+)\s*+\Z")
_TAKES_STATEMENTS = re.compile(r"\w*(?:for|[A-Z])\w*|struct_group\w*|sizeof|typeof")
"""Words before a round bracket that may contain semicolons: loops, macros, and operators on types."""
_INDENTED_LINE = re.compile(r"\n(?:[ \t\r]*+\n)*+(?:\t|    )")
_LONGEST_WORD = 64
"""Number of characters in which a word is searched for, so that the time stays linear."""


def check_semicolon(text: str, position: int, top: OpenBracket | None) -> Defect | None:
    """Look for a sign that a bracket before a semicolon is wrong, in a unit that is cut at its end.

    It is a round or square bracket around a statement, or an indented line outside of braces.
    """
    if top is None:
        indented = _INDENTED_LINE.match(text, position + 1)
        return report_bracket(position, "the line after ';' is indented, but no brace is open") if indented else None
    if top.bracket == "{" and not text[max(0, top.position - 8) : top.position].rstrip().endswith("("):
        top = top.below
    if top is None or top.bracket == "{":
        return None
    word = _WORD_BEFORE.search(text, max(0, top.position - _LONGEST_WORD), top.position)
    if top.bracket == "(" and word and _TAKES_STATEMENTS.fullmatch(word[1]):
        return None
    return report_bracket(top.position, f"{top.bracket!r} is not closed before ';'")

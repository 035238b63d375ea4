"""Match brackets under two assignments of the preprocessor's conditions at once (see `conditions`).

In a complete unit every bracket must have a match. A unit that is cut at its end has open brackets even if it is
correct, so `check_semicolon` looks for indirect signs of an extra or missing bracket.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from seqforge_code_structure.conditions import ALL_FALSE, ALL_TRUE, BOTH
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


class Stacks:
    """The stacks of open brackets under the two assignments. They are the same object until conditions separate them.

    Attributes:
        tops: The stack if every condition is true, and the stack if every condition is false.
        beginning_missing: Whether the text may lack the opening brackets of its first unit. `clear` resets it.
    """

    __slots__ = ("beginning_missing", "tops")

    def __init__(self, beginning_missing: bool = False) -> None:
        self.tops: tuple[OpenBracket | None, OpenBracket | None] = None, None
        self.beginning_missing = beginning_missing

    @property
    def full(self) -> bool:
        """Whether the nesting limit is reached."""
        return any(top is not None and top.depth >= DEEPEST_NESTING for top in self.tops)

    def clear(self) -> None:
        """Remove all open brackets."""
        self.tops = None, None
        self.beginning_missing = False

    def open(self, bracket: str, position: int, compiled: int) -> None:
        """Push an opening bracket under the assignments in `compiled`."""

        def push(top: OpenBracket | None) -> OpenBracket:
            depth, kinds = (top.depth, top.kinds) if top else (0, 0)
            return OpenBracket(top, bracket, position, depth + 1, kinds | BIT[bracket])

        self._change(push, compiled)

    def close(self, bracket: str, position: int, compiled: int) -> Defect | None:
        """Pop the match of a closing bracket under the assignments in `compiled`, and return any error.

        A closing bracket whose match is not on top also closes all brackets above the match. One without a match
        changes nothing or, if the beginning is missing, closes all brackets.
        """
        defects: list[Defect] = []

        def pop(top: OpenBracket | None) -> OpenBracket | None:
            rest, defect = self._pop(top, bracket, position)
            if defect:
                defects.append(defect)
            return rest

        self._change(pop, compiled)
        return defects[0] if defects else None

    def _change(self, change: Callable[[OpenBracket | None], OpenBracket | None], compiled: int) -> None:
        """Change the stacks of some assignments, and both at once while they are the same."""
        true, false = self.tops
        changed = change(true) if compiled & ALL_TRUE else true
        if not (compiled == BOTH and false is true):
            self.tops = changed, change(false) if compiled & ALL_FALSE else false
        else:
            self.tops = changed, changed

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
        """Return a defect for every bracket that is open under either assignment, in the order of the text."""
        positions: dict[int, str] = {}
        for top in self.tops:
            while top is not None:
                positions[top.position] = top.bracket
                top = top.below
        found = sorted(positions.items())
        return [report_bracket(position, f"{bracket!r} is never closed") for position, bracket in found]


def check_macro(text: str, start: int, stop: int, cut: bool) -> tuple[int, list[Defect]]:
    """Return the number of brackets of a `#define`, and the defects among them: brackets without a match in it.

    If the text is `cut` inside the directive, brackets may be open at its end.
    """
    stacks = Stacks()
    count = 0
    defects: list[Defect] = []
    for match in scan_directive(text, start, stop):
        if match.lastindex != TokenKind.BRACKET:
            continue
        position = match.end() - 1
        count += 1
        if (bracket := text[position]) in "([{":
            stacks.open(bracket, position, BOTH)
        elif defect := stacks.close(bracket, position, BOTH):
            defects.append(defect)
    if not cut:
        defects += stacks.unclosed()
    return count, [defect._replace(rule="macro-bracket") for defect in defects]


_WORD_BEFORE = re.compile(r"(\w*+)\s*+\Z")
_TAKES_STATEMENTS = re.compile(r"\w*(?:for|[A-Z])\w*|struct_group\w*|sizeof|typeof")
"""Words before a round bracket that may contain semicolons: loops, macros, and operators on types."""
_INDENTED_LINE = re.compile(r"\n(?:[ \t\r]*+\n)*+(?:\t|    )")
_LONGEST_WORD = 64
"""Number of characters in which a word is searched for, so that the time stays linear."""


def check_semicolon(text: str, position: int, stacks: Stacks) -> Defect | None:
    """Look for a sign that a bracket before a semicolon is wrong, in a unit that is cut at its end.

    It is a round or square bracket around a statement, or an indented line outside of braces.
    """
    top = stacks.tops[0] or stacks.tops[1]
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

"""Match brackets, where the preprocessor's conditions (see `compiled_code`) compile the text.

In a complete unit every bracket must have a match. A unit that is cut at its end has open brackets even if it is
correct, so `check_semicolon` looks for indirect signs of an extra or missing bracket.
"""

import re
from collections.abc import Sequence

from seqforge_code_structure.defects import Defect
from seqforge_code_structure.structure import TokenKind, scan_text

OPENER = {")": "(", "]": "[", "}": "{"}
"""Opening bracket of each closing bracket."""


def report_bracket(position: int, message: str) -> Defect:
    """Return the defect of a bracket, or of the character that shows that one is wrong."""
    return Defect(position, position + 1, "bracket", message)


class Stack:
    """The open brackets at the current position.

    Attributes:
        open: Each open bracket and its position, the innermost one last.
        beginning_missing: Whether the text may lack the opening brackets of its first unit. `clear` resets it.
    """

    __slots__ = ("_counts", "beginning_missing", "open")

    def __init__(self, beginning_missing: bool = False) -> None:
        self.clear()
        self.beginning_missing = beginning_missing

    @property
    def top(self) -> tuple[str, int] | None:
        """The innermost open bracket and its position, or None."""
        return self.open[-1] if self.open else None

    def clear(self) -> None:
        """Remove all open brackets."""
        self.open: list[tuple[str, int]] = []
        self.beginning_missing = False
        self._counts = dict.fromkeys(OPENER.values(), 0)

    def push(self, bracket: str, position: int) -> None:
        """Add an opening bracket."""
        self.open.append((bracket, position))
        self._counts[bracket] += 1

    def close(self, bracket: str, position: int) -> Defect | None:
        """Remove the match of a closing bracket, and return any error.

        A closing bracket whose match is not on top also closes all brackets above the match. One without a match
        changes nothing or, if the beginning is missing, closes all brackets.
        """
        opener, top = OPENER[bracket], self.top
        if top is None:
            return None if self.beginning_missing else report_bracket(position, f"{bracket!r} closes nothing")
        if not self._counts[opener] and not self.beginning_missing:
            return report_bracket(position, f"{bracket!r} closes nothing; {top[0]!r} is open")
        while self.open:
            closed, _ = self.open.pop()
            self._counts[closed] -= 1
            if closed == opener:
                break
        return report_bracket(top[1], f"{top[0]!r} is not closed before {bracket!r}") if top[0] != opener else None

    def unclosed(self) -> list[Defect]:
        """Return a defect for every bracket that is open, in the order of the text."""
        return [report_bracket(position, f"{bracket!r} is never closed") for bracket, position in self.open]


def check_macro(text: str, start: int, stop: int, cut: bool) -> tuple[int, list[Defect]]:
    """Return the number of brackets of a `#define`, and the defects among them: brackets without a match in it.

    If the text is `cut` inside the directive, brackets may be open at its end.
    """
    stack = Stack()
    count = 0
    defects: list[Defect] = []
    for kind, position, _ in scan_text(text, start, stop, directives=False):
        if kind != TokenKind.BRACKET:
            continue
        count += 1
        if (bracket := text[position]) in "([{":
            stack.push(bracket, position)
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


def check_semicolon(text: str, position: int, open_brackets: Sequence[tuple[str, int]]) -> Defect | None:
    """Look for a sign that a bracket before a semicolon is wrong, in a unit that is cut at its end.

    It is a round or square bracket around a statement, or an indented line outside of braces.
    """
    if not open_brackets:
        indented = _INDENTED_LINE.match(text, position + 1)
        return report_bracket(position, "the line after ';' is indented, but no brace is open") if indented else None
    (bracket, start), *below = open_brackets[:-3:-1]
    if bracket == "{" and below and not text[max(0, start - 8) : start].rstrip().endswith("("):
        ((bracket, start),) = below
    if bracket == "{":
        return None
    word = _WORD_BEFORE.search(text, max(0, start - _LONGEST_WORD), start)
    if bracket == "(" and word and _TAKES_STATEMENTS.fullmatch(word[1]):
        return None
    return report_bracket(start, f"{bracket!r} is not closed before ';'")

"""Divide C into top-level units, by brackets where these are correct, and by columns where they are not.

A *unit* is a run of whole lines that holds one external declaration of C, such as a function, a structure or an
initialized table, with the comments, directives and blank lines before it (or several declarations, if no line break
separates them). The text is the concatenation of its units.

A unit ends with the line of a `;` or `}` if

- no bracket is open after it,
- only spaces and comments follow on the line, and
- the next line that is not blank begins in column 0 with a letter, `_`, `#` or a comment, or the text ends.

If brackets are wrong, the first condition may never be met. Therefore a unit also ends with open brackets, if the last
two conditions are met and

- the line begins with `}` in column 0, and has no bracket that it opens and does not close, or
- the next line, after comments and directives, is a declaration: it begins in column 0 with two names, such as
  `static int`, or with a macro in capital letters and its bracket, such as `MODULE_LICENSE(`.

The *kind* of a unit is `complete`, `head` or `tail`. If the caller states that the text begins inside a unit, the
`head` is the part up to the first `}` in column 0. If the caller states that the text is cut, the `tail` is the part
after the last unit's end; it may consist of comments and directives only.

The same pass checks the brackets, since the division needs the same stack.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from seqforge_code_structure.brackets import OpenBracket, Stack, check_macro, check_semicolon
from seqforge_code_structure.conditions import CONDITIONAL, Conditions
from seqforge_code_structure.defects import MOST_DEFECTS, TOO_DEEP, Defect
from seqforge_code_structure.structure import (
    COMMENT,
    DIRECTIVE,
    LINE_COMMENT,
    TokenKind,
    may_be_cut,
    scan_outline,
)

_LINE_END = re.compile(
    rf"(?:[ \t\r\f]++|{COMMENT})*+(?:{LINE_COMMENT})?(?:\Z|(?P<end>\n)(?:[ \t\r\f]*+\n)*+(?=[A-Za-z_#/]|\s*+\Z))"
)
_DECLARATOR_FOLLOWS = re.compile(r"\s*+\**[A-Za-z_]\w*+(?:\[[^]\n]*+\])*+\s*+[;=,]")
"""The rest of a declaration, after the `}` of a structure that is alone on its line."""
_BLANK = re.compile(r"[ \t\r]*+(?:\n|\Z)")
_DECLARATION_FOLLOWS = re.compile(
    rf"(?:\s++|{COMMENT}|{LINE_COMMENT}|{DIRECTIVE})*+(?<=\n)(?!(?:if|for|while|switch|do|else|return|goto|case)\b)"
    r"(?:[A-Za-z_]\w*+[ \t]++\**[A-Za-z_]|[A-Z_][A-Z0-9_]*+\()"
)
_INSIDE_UNIT = re.compile(r"(?:[ \t\r\f]*+\n)*+(?:[ \t]++[^\s]|[)\]}])")
_LONGEST_BRACE_LINE = 100
"""Number of characters after a `}` in column 0 that may be on its line, so that the time stays linear."""
_JUDGED = (int(TokenKind.BRACKET), int(TokenKind.SEMICOLON))  # comparisons with members of an enumeration are slow


@dataclass(slots=True)
class Unit:
    """A top-level unit of a text.

    Attributes:
        start: Position of its first character.
        stop: Position after its last character.
        kind: `head` if its beginning is missing, `tail` if its end is missing, else `complete`.
        brackets: Number of its brackets that are compiled, including those of macros.
        defects: Bracket errors in the order of the text, at most `MOST_DEFECTS`.
        macro_defects: Bracket errors inside the bodies of macros, which may be intended: at most `MOST_DEFECTS`.
        defect_count: Number of all bracket errors.
        too_deep: Whether brackets or conditions are nested deeper than `DEEPEST_NESTING`. Such a unit is not analyzed,
            and the only entry of `defects` states this.
    """

    start: int
    stop: int
    kind: Literal["head", "complete", "tail"]
    brackets: int = 0
    defects: list[Defect] = field(default_factory=list[Defect])
    macro_defects: list[Defect] = field(default_factory=list[Defect])
    defect_count: int = 0
    too_deep: bool = False

    @property
    def balanced(self) -> bool:
        """Whether the unit was analyzed and has no bracket error."""
        return not self.defect_count and not self.too_deep

    def add(self, defect: Defect) -> None:
        """Add a defect."""
        self.defect_count += 1
        if len(self.defects) < MOST_DEFECTS:
            self.defects.append(defect)


def report_directive(position: int, message: str) -> Defect:
    """Return the defect of a directive at the position of its `#`."""
    return Defect(position, position + 1, "conditional", message)


def split_units(text: str, *, beginning_missing: bool = False, end_missing: bool = False) -> Iterator[Unit]:
    """Yield the units of a text and check their brackets, in time linear in the text.

    Args:
        text: Any text, such as C. An empty text has no unit.
        beginning_missing: Whether the text may begin inside a unit. Brackets that are closed before the first `}` in
            column 0 then need not have been opened.
        end_missing: Whether the text is cut at its end. Brackets may then be open there.
    """
    division = _Division(text, beginning_missing, end_missing)
    conditions = division.conditions
    for match in scan_outline(text):
        kind = match.lastindex
        start, stop = match.span()
        if conditions.compiled and stop - start > 1:  # A match of one character is a token without text before it.
            division.process_pairs(start, match.start(kind or 0))
        if kind in _JUDGED:
            if conditions.compiled and (unit := division.process(stop - 1)):
                yield unit
        elif kind == TokenKind.DIRECTIVE or kind == TokenKind.OPENING_DIRECTIVE:
            division.process_directive(match.start(kind), match.end(), cut=end_missing and match.end() == len(text))
        elif kind == TokenKind.END or (
            kind == TokenKind.UNTERMINATED_CHARACTER and end_missing and may_be_cut(text, match.end() - 1)
        ):
            break
    if division.unit.start < len(text):
        yield division.finish(len(text), cut=end_missing)
    for position, unit in division.open_conditions:
        unit.defects.append(report_directive(position, "'#if' without '#endif'"))


def split_excerpt(text: str) -> Iterator[Unit]:
    """Yield the units of a text that is cut at its end and may begin inside a unit, such as a sample of a model."""
    return split_units(text, beginning_missing=begins_inside_unit(text), end_missing=True)


def begins_inside_unit(text: str) -> bool:
    """Guess whether a text begins inside a unit: its first line is indented or begins with a closing bracket."""
    return _INSIDE_UNIT.match(text) is not None


class _Division:
    """The state of `split_units`."""

    def __init__(self, text: str, beginning_missing: bool, end_missing: bool) -> None:
        self.text = text
        self.end_missing = end_missing
        self.conditions = Conditions()
        self.stack = Stack(beginning_missing)
        self.unit = Unit(0, 0, "head" if beginning_missing else "complete")
        self.last_brace = -_LONGEST_BRACE_LINE
        """Position of the last `}` in column 0."""
        self.after_brace: OpenBracket | None = None
        """Open brackets after it."""
        self.open_conditions: list[tuple[int, Unit]] = []
        """Position and unit of each `#if` that is open."""
        self.early_defects: dict[int, Defect] = {}
        """Signs of errors, by position. They count only if the unit is cut at its end."""

    def process_directive(self, start: int, stop: int, cut: bool) -> None:
        """Update the conditions after a directive, and check the brackets of a macro."""
        unit = self.unit
        too_deep = self.conditions.too_deep
        name = self.conditions.follow(self.text, start, stop)
        if not (self.end_missing or too_deep or self.conditions.too_deep):
            self._match_conditional(name, self.text.find("#", start))
        if name == "define" and self.conditions.compiled:
            brackets, defects = check_macro(self.text, start, stop, cut)
            unit.brackets += brackets
            unit.macro_defects += defects[: MOST_DEFECTS - len(unit.macro_defects)]
        unit.too_deep |= self.conditions.too_deep

    def _match_conditional(self, name: str, position: int) -> None:
        """Match an `#else` or `#endif` with the `#if` before it, which may be missing in an excerpt only."""
        if name in ("if", "ifdef", "ifndef"):
            self.open_conditions.append((position, self.unit))
        elif name in CONDITIONAL and not self.open_conditions:
            if len(self.unit.defects) < MOST_DEFECTS:
                self.unit.defects.append(report_directive(position, f"'#{name}' without '#if'"))
        elif name == "endif":
            self.open_conditions.pop()

    def process_pairs(self, start: int, stop: int) -> None:
        """Count the pairs of brackets in a part of the text that contains no other brackets."""
        count = self.text.count
        if pairs := count("(", start, stop) + count("[", start, stop) + count("{", start, stop):
            self.unit.brackets += 2 * pairs
            self.unit.too_deep |= self.stack.full

    def process(self, position: int) -> Unit | None:
        """Process a bracket or semicolon, and return the unit that ends after it, if any."""
        text, stack = self.text, self.stack
        character = text[position]
        if character != ";":
            self._process_bracket(character, position)
        elif self.end_missing and (defect := check_semicolon(text, position, stack.top)):
            self.early_defects[defect.start] = defect
        if stack.beginning_missing and self._line_begins_with_brace(position) and _BLANK.match(text, position + 1):
            stack.clear()
        if character not in ";}" or not (end := _LINE_END.match(text, position + 1)):
            return None
        if character == "}" and _DECLARATOR_FOLLOWS.match(text, end.end()):
            return None
        stop = end.end("end") if end["end"] else len(text)
        closed = stack.top is None and not self.unit.too_deep and self.unit.kind != "head"
        resumed = self._line_begins_with_brace(position) and stack.top == self.after_brace
        if closed or resumed or _DECLARATION_FOLLOWS.match(text, stop):
            return self.finish(stop)
        return None

    def _process_bracket(self, bracket: str, position: int) -> None:
        unit, stack = self.unit, self.stack
        unit.brackets += 1
        if unit.too_deep:
            pass
        elif bracket not in "([{":
            if defect := stack.close(bracket, position):
                unit.add(defect)
        elif stack.full:
            unit.too_deep = True
        else:
            stack.open(bracket, position)
        # If the beginning is missing, the column of the first character is unknown.
        if bracket == "}" and (self.text[position - 1] == "\n" if position else not stack.beginning_missing):
            self.last_brace, self.after_brace = position, stack.top

    def _line_begins_with_brace(self, position: int) -> bool:
        """Return whether the line of a position begins with `}` in column 0."""
        start = self.last_brace
        return position - start < _LONGEST_BRACE_LINE and "\n" not in self.text[start:position]

    def finish(self, stop: int, cut: bool = False) -> Unit:
        """End the current unit and begin the next one."""
        unit = self.unit
        unit.stop = stop
        if cut and unit.kind == "complete":
            unit.kind = "tail"
        known = {defect.start for defect in unit.defects}
        added = self.early_defects.values() if unit.kind == "tail" else [] if cut else self.stack.unclosed()
        for defect in added:
            if defect.start not in known:
                unit.add(defect)
        if unit.too_deep:
            unit.defects, unit.defect_count = [Defect(unit.start, stop, "too-complex", TOO_DEEP)], 0
        unit.defects.sort()
        self.early_defects = {}
        self.stack.clear()
        self.unit = Unit(stop, stop, "complete", too_deep=self.conditions.too_deep)
        return unit

"""Divide C into top-level units, by brackets where these are correct, and by columns where they are not.

A *unit* is a run of whole lines that holds one external declaration of C, such as a function, a structure or an
initialized table, with the comments, directives and blank lines before it (or several declarations, if no line break
separates them). The text is the concatenation of its units.

A unit ends with the line of a `;` or `}` if

- no bracket is open after it,
- only spaces and comments follow on the line, and
- the next line that is not blank, and no indented comment, begins in column 0 with a letter, `_`, `#` or a comment, or
  the text ends.

If brackets are wrong, the first condition may never be met. Therefore a unit also ends with open brackets, if the last
two conditions are met and

- the line begins with `}` in column 0, and has no bracket that it opens and does not close, or
- the next line, after comments and directives, is a declaration: it begins in column 0 with two names, such as
  `static int`, or with a macro in capital letters and its bracket, such as `MODULE_LICENSE(`,

unless a `}` in column 0 closes all braces, as in a function with declarations, blocks or labels in column 0.

The *kind* of a unit is `complete`, `head` or `tail`. If the caller states that the text begins inside a unit, the
`head` is the part up to the first `}` in column 0. If the caller states that the text is cut, the `tail` is the part
after the last unit's end; it may consist of comments and directives only.

The same pass checks the brackets, since the division needs the same stack.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Literal

from seqforge_code_structure.brackets import Stack, check_macro, check_semicolon
from seqforge_code_structure.compiled_code import CONDITIONAL, Directive, read_code
from seqforge_code_structure.defects import MOST_DEFECTS, Defect
from seqforge_code_structure.structure import COMMENT, DIRECTIVE, LINE_COMMENT

_PLAIN = rb"[^()\[\]{};]"
_TOKEN = re.compile(
    rb"(?:%b++|\(%b*+\)|\[%b*+\]|(?<!\n)\{%b*+\}(?=,))*+(?:([()\[\]{};])|\Z)" % (_PLAIN, _PLAIN, _PLAIN, _PLAIN)
)
"""A bracket or semicolon. Pairs of brackets with no others inside are skipped: round and square ones, and braces before
a comma, as in tables, that do not begin in column 0. No unit, and no line of a statement, begins or ends there."""
_NO_BRACKETS = bytes(set(range(256)) - set(b"()[]{}"))
_LINE_END = re.compile(
    rf"(?:[ \t\r\f]++|{COMMENT})*+(?:{LINE_COMMENT})?(?:\Z|(?P<end>\n)(?:[ \t\r\f]*+\n)*+"
    rf"(?=[A-Za-z_#/]|(?:[ \t]++(?:{COMMENT}|{LINE_COMMENT})\s*+)++(?<=\n)[A-Za-z_#]|\s*+\Z))"
)
_DECLARATOR_FOLLOWS = re.compile(r"\s*+\**[A-Za-z_]\w*+(?:\[[^]\n]*+\])*+\s*+[;=,]")
"""The rest of a declaration, after the `}` of a structure that is alone on its line."""
_BLANK = re.compile(r"[ \t\r]*+(?:\n|\Z)")
_DECLARATION_FOLLOWS = re.compile(
    rf"(?:\s++|{COMMENT}|{LINE_COMMENT}|{DIRECTIVE})*+(?<=\n)(?!(?:if|for|while|switch|do|else|return|goto|case)\b)"
    r"(?:[A-Za-z_]\w*+[ \t]++\**[A-Za-z_]|[A-Z_][A-Z0-9_]*+\()"
)
_PARAMETERS_FOLLOW = re.compile(rb"(?:\s*+[A-Za-z_](?:[^;{}=)]|\)(?!\s*+\w))*+;){0,20}+\s*+^\{", re.MULTILINE)
"""The rest of the declarations of parameters, in the style of K&R, and the brace of their function."""
_BRACE_IN_COLUMN_0 = re.compile(rb"\n\}")
_INSIDE_UNIT = re.compile(r"(?:[ \t\r\f]*+\n)*+(?:[ \t]++[^\s]|[)\]}])")
_LONGEST_RESUMED = 300_000
"""Number of characters of a unit in which the end of its braces is searched for, so that the time stays linear."""
_LONGEST_BRACE_LINE = 100
"""Number of characters after a `}` in column 0 that may be on its line, so that the time stays linear."""


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
        depth: Largest number of brackets inside one another, without pairs that contain no brackets.
    """

    start: int
    stop: int
    kind: Literal["head", "complete", "tail"]
    brackets: int = 0
    defects: list[Defect] = field(default_factory=lambda: [])
    macro_defects: list[Defect] = field(default_factory=lambda: [])
    defect_count: int = 0
    depth: int = 0

    @property
    def balanced(self) -> bool:
        """Whether the unit has no bracket error."""
        return not self.defect_count

    def add(self, defect: Defect) -> None:
        """Add a defect."""
        self.defect_count += 1
        if len(self.defects) < MOST_DEFECTS:
            self.defects.append(defect)


def split_units(text: str, *, beginning_missing: bool = False, end_missing: bool = False) -> list[Unit]:
    """Return the units of a text and check their brackets, in time linear in the text.

    Args:
        text: Any text, such as C. An empty text has no unit.
        beginning_missing: Whether the text may begin inside a unit. Brackets that are closed before the first `}` in
            column 0 then need not have been opened.
        end_missing: Whether the text is cut at its end. Brackets may then be open there.
    """
    code = read_code(text)
    division = _Division(text, code.code, beginning_missing, end_missing)
    places = (match.start(1) for match in _TOKEN.finditer(code.code))
    units = [unit for place in places if place >= 0 and (unit := division.process(place))]
    if division.unit.start < len(text):
        units.append(division.finish(len(text), cut=end_missing))
    _check_directives(text, code.directives, units, end_missing)
    for unit in units:
        unit.brackets += len(code.code[unit.start : unit.stop].translate(None, _NO_BRACKETS))
        unit.defects.sort()
    return units


def _check_directives(text: str, directives: Sequence[Directive], units: Sequence[Unit], end_missing: bool) -> None:
    """Check the brackets of macros, and that conditions have a beginning and, unless the text is cut, an end."""
    open_conditions: list[tuple[int, Unit]] = []
    number = 0
    for start, stop, name, compiled in directives:
        while units[number].stop <= start:
            number += 1
        unit = units[number]
        if name == "define" and compiled:
            brackets, defects = check_macro(text, start, stop, cut=end_missing and stop == len(text))
            unit.brackets += brackets
            unit.macro_defects += defects[: MOST_DEFECTS - len(unit.macro_defects)]
        if end_missing:
            continue
        if name in ("if", "ifdef", "ifndef"):
            open_conditions.append((start, unit))
        elif name in CONDITIONAL and not open_conditions:
            if len(unit.defects) < MOST_DEFECTS:
                unit.defects.append(Defect(start, start + 1, "conditional", f"'#{name}' without '#if'"))
        elif name == "endif":
            open_conditions.pop()
    for position, unit in open_conditions[:MOST_DEFECTS]:
        unit.defects.append(Defect(position, position + 1, "conditional", "'#if' without '#endif'"))


@lru_cache(maxsize=64)
def split_excerpt(text: str) -> list[Unit]:
    """Return the units of a text that may be cut at both ends, such as a sample. Several metrics read the same text."""
    return split_units(text, beginning_missing=begins_inside_unit(text), end_missing=True)


def begins_inside_unit(text: str) -> bool:
    """Guess whether a text begins inside a unit: its first line is indented or begins with a closing bracket."""
    return _INSIDE_UNIT.match(text) is not None


class _Division:
    """The state of `split_units`."""

    def __init__(self, text: str, code: bytes, beginning_missing: bool, end_missing: bool) -> None:
        self.text, self.code = text, code
        self.end_missing = end_missing
        self.stack = Stack(beginning_missing)
        self.unit = Unit(0, 0, "head" if beginning_missing else "complete")
        self.last_brace = -_LONGEST_BRACE_LINE
        """Position of the last `}` in column 0."""
        self.after_brace: tuple[str, int] | None = None
        """The innermost open bracket after it."""
        self.closing = 0
        """Position after the next `}` in column 0 that closes all braces of the unit, or 0."""
        self.early_defects: dict[int, Defect] = {}
        """Signs of errors, by position. They count only if the unit is cut at its end."""

    def process(self, position: int) -> Unit | None:
        """Process a bracket or semicolon, and return the unit that ends after it, if any."""
        text, stack = self.text, self.stack
        character = text[position]
        if character != ";":
            self._process_bracket(character, position)
        elif self.end_missing and (defect := check_semicolon(text, position, stack.open)):
            self.early_defects[defect.start] = defect
        if stack.beginning_missing and self._line_begins_with_brace(position) and _BLANK.match(text, position + 1):
            stack.clear()
        if character not in ";}" or not (end := _LINE_END.match(text, position + 1)):
            return None
        if character == "}" and _DECLARATOR_FOLLOWS.match(text, end.end()):
            return None
        if character == ";" and _PARAMETERS_FOLLOW.match(self.code, position + 1):
            return None
        stop = end.end("end") if end["end"] else len(text)
        if stack.top is None and self.unit.kind != "head":
            return self.finish(stop)
        resumed = self._line_begins_with_brace(position) and stack.top == self.after_brace
        if (resumed or _DECLARATION_FOLLOWS.match(text, stop)) and not self._closes_later(stop):
            return self.finish(stop)
        return None

    def _closes_later(self, stop: int) -> bool:
        """Return whether a brace in column 0 closes all braces of the unit, which then has such lines inside."""
        if stop >= self.closing:
            depth, begin, count = 0, self.unit.start, self.code.count
            following = _BRACE_IN_COLUMN_0.finditer(self.code, stop - 1, begin + _LONGEST_RESUMED)
            for end in chain([stop], (match.end() for match in following)):
                depth += count(b"{", begin, end) - count(b"}", begin, end)
                begin = end
                if depth == 0:
                    self.closing = end
                    break
        return stop < self.closing

    def _process_bracket(self, bracket: str, position: int) -> None:
        unit, stack = self.unit, self.stack
        if bracket in "([{":
            stack.push(bracket, position)
            if len(stack.open) > unit.depth:
                unit.depth = len(stack.open)
        elif defect := stack.close(bracket, position):
            unit.add(defect)
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
        self.early_defects = {}
        self.stack.clear()
        self.unit = Unit(stop, stop, "complete")
        return unit

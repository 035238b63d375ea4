"""Compare the indentation of lines with the depth of the braces around them.

A line is checked if it begins a statement or declaration inside braces: the last token before it, ignoring comments and
directives, is `;`, `{`, `}` or the `:` of a label, and no round or square bracket is open. It agrees if its indentation
is one unit for each open brace. A line that begins with `}` must have one unit less. A line with `case` or `default`
may have one unit less, and a `{` after one of these on the same line need not count. Other labels are not checked.

The unit is a tab or 1 to 8 spaces, whichever agrees with the most lines of the text.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from seqforge_code_structure.conditions import ALL_TRUE, Conditions
from seqforge_code_structure.defects import DEEPEST_NESTING, MOST_DEFECTS, Defect
from seqforge_code_structure.structure import COMMENT, LINE_COMMENT, Kind, scan_text

MOST_LINES = 200_000
"""Largest number of lines of one text that are checked. All further ones are ignored."""

_NEXT_LINE = re.compile(
    rf"(?:[ \t\r\f]++|{COMMENT}|{LINE_COMMENT})*+\n(?:[ \t\r\f]*+\n|[ \t]*+(?:{COMMENT}|{LINE_COMMENT})[ \t\r]*+\n)*+"
    r"(?P<indentation>[ \t]*+)(?P<first>[^\s/#]|(?P<directive>#))"
)
_CASE = re.compile(r"case\b[^;{}\n?\"]*:|default[ \t]*+:")
_AFTER_CASE = re.compile(r"[ \t]*+(?:case\b[^;{}\n?\"]*|default[ \t]*+):[ \t]*+")
_LABEL = re.compile(r"[A-Za-z_]\w*+[ \t]*+:(?!:)")
_UNITS = ("\t", *(" " * width for width in range(8, 0, -1)))
_LONGEST_INDENTATION = 256
_OPTIONAL = "case {"
"""Entry of the stack for a `{` after `case` or `default` on the same line, which need not count."""


class Line(NamedTuple):
    """A line that is checked.

    Attributes:
        position: Position of its first character.
        indentation: Tabs and spaces at its beginning.
        least: Smallest correct number of units of indentation.
        most: Largest correct number of units of indentation.
    """

    position: int
    indentation: str
    least: int
    most: int


@dataclass(slots=True)
class IndentationAnalysis:
    """Result of `analyze_indentation`.

    Attributes:
        unit: Indentation for one open brace.
        lines: Number of lines that were checked, at most `MOST_LINES`.
        agreeing: Number of these lines that agree.
        defects: Lines that do not agree, in the order of the text, at most `MOST_DEFECTS`.
    """

    unit: str = "\t"
    lines: int = 0
    agreeing: int = 0
    defects: list[Defect] = field(default_factory=list[Defect])


def analyze_indentation(text: str) -> IndentationAnalysis:
    """Compare the indentation of a text's lines with its braces, in time linear in the text.

    A `}` in column 0 closes all braces, so that a missing brace does not affect later functions.
    """
    lines = _find_lines(text)
    counts = Counter(line[1:] for line in lines)
    unit = max(_UNITS, key=lambda unit: sum(count for line, count in counts.items() if _agrees(unit, *line)))
    analysis = IndentationAnalysis(unit, len(lines))
    for position, indentation, least, most in lines:
        if _agrees(unit, indentation, least, most):
            analysis.agreeing += 1
        elif len(analysis.defects) < MOST_DEFECTS:
            depth = f"{most} level{'s' * (most != 1)}" if least == most else f"{least} to {most} levels"
            message = f"the indentation does not match the brace depth: expected {depth}"
            analysis.defects.append(Defect(position, message, max(1, len(indentation))))
    return analysis


def _agrees(unit: str, indentation: str, least: int, most: int) -> bool:
    return any(indentation == unit * depth for depth in range(least, most + 1))


def _find_lines(text: str) -> list[Line]:
    lines: list[Line] = []
    conditions = Conditions()
    open_brackets: list[str] = []
    pending = False
    """Whether the line after the directives at this position begins a statement."""
    for match in scan_text(text):
        kind = match.lastindex
        if kind == Kind.END or len(lines) >= MOST_LINES:
            break
        if kind == Kind.DIRECTIVE or kind == Kind.OPENING_DIRECTIVE:
            conditions.follow(text, match.start(kind), match.end())
            pending = pending and _add_line(text, match.end(), open_brackets, conditions.compiled, lines)
        elif kind in (Kind.BRACKET, Kind.SEMICOLON) and conditions.compiled & ALL_TRUE:
            position = match.end() - 1
            _update_brackets(open_brackets, text, position)
            if text[position] in ";{}":
                pending = _add_line(text, match.end(), open_brackets, conditions.compiled, lines)
    return lines


def _update_brackets(open_brackets: list[str], text: str, position: int) -> None:
    bracket = text[position]
    column_0 = position == 0 or text[position - 1] == "\n"
    if column_0 and bracket in "{}":
        open_brackets.clear()
    if bracket in "([{" and len(open_brackets) < DEEPEST_NESTING:
        line = text.rfind("\n", max(0, position - _LONGEST_INDENTATION), position) + 1
        after_case = bracket == "{" and _AFTER_CASE.fullmatch(text, line, position)
        open_brackets.append(_OPTIONAL if after_case else bracket)
    elif bracket in ")]}" and open_brackets:
        open_brackets.pop()


def _add_line(text: str, position: int, open_brackets: list[str], compiled: int, lines: list[Line]) -> bool:
    """Add the line after the end of a statement, or return True if a directive precedes that line."""
    if not open_brackets or "(" in open_brackets or "[" in open_brackets:
        return False
    while match := _NEXT_LINE.match(text, position):
        if match["directive"] or not compiled & ALL_TRUE:
            return True
        start = match.start("first")
        case, label = _CASE.match(text, start), _LABEL.match(text, start)
        if case or not label:
            most = len(open_brackets) - (match["first"] == "}")
            least = most - open_brackets.count(_OPTIONAL) - bool(case)
            indentation = match["indentation"][:_LONGEST_INDENTATION]
            lines.append(Line(match.start("indentation"), indentation, max(0, least), most))
        if not (end := case or label):
            return False
        position = end.end()
    return False

"""How far the indentation of lines agrees with the braces around them.

A line is judged if it begins a statement or declaration inside braces: if the last thing before it, comments and
directives apart, is `;`, `{`, `}` or the `:` of a label, and no round or square bracket is open. It agrees where its
indentation is one unit for each open brace. A line that begins with `}` must have one unit less; `case` and `default`
may have it, and a `{` behind one of these on its line may count for nothing; other labels are not judged.

The unit is the tab, or the number of blanks up to 8, with which most lines of the text agree.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from seqforge_code_structure.fault import Fault
from seqforge_code_structure.lexing.conditions import ALL_TRUE, Conditions
from seqforge_code_structure.lexing.structure import COMMENT, LINE_COMMENT, Kind, structure
from seqforge_code_structure.limits import DEEPEST_NESTING, MOST_FAULTS, MOST_LINES

_NEXT_LINE = re.compile(
    rf"(?:[ \t\r\f]++|{COMMENT}|{LINE_COMMENT})*+\n(?:[ \t\r\f]*+\n|[ \t]*+(?:{COMMENT}|{LINE_COMMENT})[ \t\r]*+\n)*+"
    r"(?P<indentation>[ \t]*+)(?P<first>[^\s/#]|(?P<directive>#))"
)
_CASE = re.compile(r"case\b[^;{}\n?\"]*:|default[ \t]*+:")
_BEHIND_CASE = re.compile(r"[ \t]*+(?:case\b[^;{}\n?\"]*|default[ \t]*+):[ \t]*+")
_LABEL = re.compile(r"[A-Za-z_]\w*+[ \t]*+:(?!:)")
_UNITS = ("\t", *(" " * width for width in range(8, 0, -1)))
_LONGEST_INDENTATION = 256
_OPTIONAL = "case {"
"""A brace that may count for nothing."""


class Line(NamedTuple):
    """A line that is judged.

    Attributes:
        position: Its first character.
        indentation: The blanks it begins with.
        least: Units that it should have at least.
        most: And at most.
    """

    position: int
    indentation: str
    least: int
    most: int


@dataclass(slots=True)
class Indentation:
    """How the lines of a text are indented.

    Attributes:
        unit: What one open brace stands for.
        lines: How many lines were judged; no more than `MOST_LINES`.
        agreeing: How many of them agree.
        faults: Where they do not, in order; at most `MOST_FAULTS`.
    """

    unit: str = "\t"
    lines: int = 0
    agreeing: int = 0
    faults: list[Fault] = field(default_factory=list[Fault])


def indentation(text: str) -> Indentation:
    """Judge the lines of a text.

    Takes time linear in the text. A `}` in column 0 closes everything, so that a missing one costs no line after it.

    Args:
        text: C, or what should be C.
    """
    lines = _lines(text)
    shapes = Counter((line.indentation, line.least, line.most) for line in lines)
    unit = max(_UNITS, key=lambda unit: sum(count for shape, count in shapes.items() if _agrees(unit, *shape)))
    judged = Indentation(unit, len(lines))
    for position, blanks, least, most in lines:
        if _agrees(unit, blanks, least, most):
            judged.agreeing += 1
        elif len(judged.faults) < MOST_FAULTS:
            depth = str(least) if least == most else f"{least} to {most}"
            message = f"the line is not indented as deep as its braces are: {depth}"
            judged.faults.append(Fault(position, message, max(1, len(blanks))))
    return judged


def _agrees(unit: str, indentation: str, least: int, most: int) -> bool:
    return any(indentation == unit * depth for depth in range(least, most + 1))


def _lines(text: str) -> list[Line]:
    lines: list[Line] = []
    conditions = Conditions()
    open_brackets: list[str] = []
    pending = False
    """Whether directives stand between a statement's end and the next line."""
    for match in structure(text):
        kind = match.lastindex
        if kind == Kind.END or len(lines) >= MOST_LINES:
            break
        if kind == Kind.DIRECTIVE or kind == Kind.OPENING_DIRECTIVE:
            conditions.follow(text, match.start(kind), match.end())
            pending = pending and _judge(text, match.end(), open_brackets, conditions.compiled, lines)
        elif kind in (Kind.BRACKET, Kind.SEMICOLON) and conditions.compiled & ALL_TRUE:
            position = match.end() - 1
            _follow(open_brackets, text, position)
            if text[position] in ";{}":
                pending = _judge(text, match.end(), open_brackets, conditions.compiled, lines)
    return lines


def _follow(open_brackets: list[str], text: str, position: int) -> None:
    bracket = text[position]
    column_0 = position == 0 or text[position - 1] == "\n"
    if column_0 and bracket in "{}":
        open_brackets.clear()
    if bracket in "([{" and len(open_brackets) < DEEPEST_NESTING:
        line = text.rfind("\n", max(0, position - _LONGEST_INDENTATION), position) + 1
        behind_case = bracket == "{" and _BEHIND_CASE.fullmatch(text, line, position)
        open_brackets.append(_OPTIONAL if behind_case else bracket)
    elif bracket in ")]}" and open_brackets:
        open_brackets.pop()


def _judge(text: str, position: int, open_brackets: list[str], compiled: int, lines: list[Line]) -> bool:
    """Judge the line after a statement's end; tell whether it only comes behind a directive."""
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
            blanks = match["indentation"][:_LONGEST_INDENTATION]
            lines.append(Line(match.start("indentation"), blanks, max(0, least), most))
        if not (end := case or label):
            return False
        position = end.end()
    return False

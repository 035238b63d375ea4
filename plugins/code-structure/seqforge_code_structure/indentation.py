"""Compare the indentation of lines with the depth of the braces around them.

A line is checked if it begins a statement or declaration inside braces: the last token before it, ignoring comments and
directives, is `;`, `{`, `}` or the `:` of a label, it does not begin with `else`, and neither a round or square bracket
nor the brace of an initializer is open. It agrees if its column is nearest to one unit for each open brace, or if it is
one unit to the right of the statement of the innermost brace, which may itself be inside a loop without braces. A line
that begins with `}` must have one unit less, or the column of that statement. A line with `case` or `default`, and a
`break` that belongs to a `switch`, may have one unit less, and a `{` after a `case` need not count. Other labels are
not checked. In the other style, `case` is indented, so that a `switch` counts twice for the statements in it.

A block may have a style of its own: its statements also agree if they are all in one column, to the right of the
statement of the brace; a single one, by at most two units. The same holds for the `case` lines of a `switch`. A macro
in capital letters inside a `switch` may be a `case`. A block that is itself a statement need not count, nor does its
`{`, since such blocks often follow a directive.

The unit is 1 to 8 columns. The unit and the style are those that match the most lines of the text exactly.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple

from seqforge_code_structure.conditions import ALL_TRUE, Conditions
from seqforge_code_structure.defects import DEEPEST_NESTING, MOST_DEFECTS, Defect
from seqforge_code_structure.structure import COMMENT, LINE_COMMENT, TokenKind, scan_outline

MOST_LINES = 200_000
"""Largest number of lines of one text that are checked. All further ones are ignored."""

_NEXT_LINE = re.compile(
    rf"(?:[ \t\r\f]++|{COMMENT}|{LINE_COMMENT})*+\n(?:[ \t\r\f]*+\n|[ \t]*+(?:{COMMENT}|{LINE_COMMENT})[ \t\r]*+\n)*+"
    r"(?P<indentation>[ \t]*+)(?P<first>[^\s/#]|(?P<directive>#))"
)
_LINE_START = re.compile(
    r"(?P<case>case\b(?:'[^'\n]{1,4}'|[^;{}?\"']){0,200}:|default[ \t]*+:)|(?P<label>[A-Za-z_]\w*+[ \t]*+:(?!:))"
    r"|(?P<else>else\b)"
)
_AFTER_CASE = re.compile(r"[ \t]*+(?:case\b[^;{}\n?\"]*|default[ \t]*+):\s*+")
_MACRO = re.compile(r"[A-Z][A-Z0-9_]++[ \t]*+[(\n]")
_SWITCH = re.compile(r"[ \t]*+switch\b")
_BREAK = re.compile(r"break[ \t]*+;")
_INITIALIZER = re.compile(r"(?:[=,(\[]|\breturn|[\]*]\s*+\))\s*+\Z")
_TAB = 8
"""Columns of a tab."""
_LONGEST_INDENTATION = 256
"""Number of characters at the beginning of a line that are examined, so that the time stays linear."""
_CODE_BEFORE_BRACE = 40
"""Number of characters before a brace in which the sign of an initializer is searched for."""
_TOKENS = (int(TokenKind.BRACKET), int(TokenKind.SEMICOLON))  # attributes of an enumeration are slow
_DIRECTIVES = (int(TokenKind.DIRECTIVE), int(TokenKind.OPENING_DIRECTIVE))


class Brace(Enum):
    """What an open bracket means for the indentation."""

    ROUND = "a round or square bracket"
    BLOCK = "a brace that counts"
    CASE = "a brace after `case` or `default`, or one that is a statement, which need not count"
    SWITCH = "the brace of a `switch`"
    INITIALIZER = "the brace of an initializer"


_ROUND, _BLOCK, _CASE, _SWITCH_BRACE, _INITIALIZER_BRACE = Brace


class OpenBrace(NamedTuple):
    """An open bracket.

    Attributes:
        kind: What it means for the indentation.
        column: Column of the first character of its line, or 0 for a round or square bracket.
        position: Position of the bracket.
        unchecked: Number of the open brackets inside of which no line is checked, including this one.
        cases: Number of the open brackets of the kind `CASE`, including this one.
        switches: Number of the open brackets of the kind `SWITCH`, including this one.
    """

    kind: Brace
    column: int
    position: int
    unchecked: int
    cases: int
    switches: int


class Depth(NamedTuple):
    """The column of a line, and what it is compared with.

    Attributes:
        column: Column of its first character that is no space.
        outer: Column of the line of the innermost open brace.
        inside: Number of units that the line is inside of that line.
        least: Smallest correct number of units of indentation.
        most: Largest correct number of units of indentation.
        shift: Number of units to add to both if `case` is indented.
    """

    column: int
    outer: int
    inside: int
    least: int
    most: int
    shift: int

    def is_exact(self, unit: int, indented_cases: bool) -> bool:
        """Return whether the column is a correct number of units."""
        added = self.shift * indented_cases
        return self.column % unit == 0 and self.least + added <= self.column // unit <= self.most + added

    def agrees(self, unit: int, indented_cases: bool) -> bool:
        """Return whether the column is nearest to a correct number of units, or correct in relation to the brace."""
        column, outer, inside, least, most, shift = self
        added = shift * indented_cases
        # The statement with the innermost brace may be inside a statement without braces, such as a loop.
        nested = column == outer + unit * inside and (outer > unit * (most - inside) or not inside)
        nearest, rest = divmod(2 * column + unit, 2 * unit)
        return nested or (rest > 0 and least + added <= nearest <= most + added)


class Line(NamedTuple):
    """A line that is checked.

    Attributes:
        position: Position of its first character.
        length: Number of tabs and spaces at its beginning.
        depth: Its column, and what it is compared with.
        block: Position of the innermost open brace.
        role: Whether the line begins with `}`, a `case`, or another statement of the block.
    """

    position: int
    length: int
    depth: Depth
    block: int
    role: Literal["end", "case", "statement"]


@dataclass(slots=True)
class IndentationAnalysis:
    """Result of `analyze_indentation`.

    Attributes:
        unit: Number of columns for one open brace.
        indented_cases: Whether `case` is indented.
        lines: Number of lines that were checked, at most `MOST_LINES`.
        agreeing: Number of these lines that agree.
        defects: Lines that do not agree, in the order of the text, at most `MOST_DEFECTS`.
    """

    unit: int = _TAB
    indented_cases: bool = False
    lines: int = 0
    agreeing: int = 0
    defects: list[Defect] = field(default_factory=list[Defect])


def analyze_indentation(text: str) -> IndentationAnalysis:
    """Compare the indentation of a text's lines with its braces, in time linear in the text.

    A `}` in column 0 closes all braces, so that a missing brace does not affect later functions.
    """
    lines = _LineFinder(text).find()
    counts = Counter(line.depth for line in lines)
    units = [unit for unit in range(_TAB, 0, -1) if unit == _TAB or any(depth.column == unit for depth in counts)]
    styles = [(unit, indented) for indented in (False, True) for unit in units]
    style = max(styles, key=lambda style: sum(count for depth, count in counts.items() if depth.is_exact(*style)))
    wrong = {depth for depth in counts if not depth.agrees(*style)}
    analysis = IndentationAnalysis(*style, len(lines), len(lines))
    aligned = _find_aligned_blocks(lines if wrong else [], style[0])
    for line in lines:
        if line.depth not in wrong or (line.block, line.role) in aligned:
            continue
        analysis.agreeing -= 1
        if len(analysis.defects) < MOST_DEFECTS:
            low, high = (bound + line.depth.shift * style[1] for bound in (line.depth.least, line.depth.most))
            depth = f"{high} level{'s' * (high != 1)}" if low == high else f"{low} to {high} levels"
            message = f"the indentation does not match the brace depth: expected {depth}"
            stop = line.position + max(1, line.length)
            analysis.defects.append(Defect(line.position, stop, "indentation", message))
    return analysis


def _find_aligned_blocks(lines: Iterable[Line], unit: int) -> set[tuple[int, str]]:
    """Return the blocks whose statements are all in one column, to the right of the block's own line."""
    added: dict[tuple[int, str], Counter[int]] = {}
    for line in lines:
        if line.role != "end":
            added.setdefault((line.block, line.role), Counter())[line.depth.column - line.depth.outer] += 1
    return {
        block
        for block, found in added.items()
        if len(found) == 1 and min(found) > 0 and (min(found) <= 2 * unit or found.total() > 1)
    }


class _LineFinder:
    """Find the lines to check, in one pass through the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: list[Line] = []
        self._conditions = Conditions()
        self._open: list[OpenBrace] = []
        self._condition = 0
        """Position of the last bracket that is closed, such as that of an `if`."""
        self._condition_stop = 0
        """Position after its end."""
        self._block = -1
        """Position of the last brace that begins a statement."""

    def find(self) -> list[Line]:
        """Return the lines, at most `MOST_LINES`."""
        text, conditions = self._text, self._conditions
        pending = False  # whether the line after the directives at this position begins a statement
        for match in scan_outline(text):
            kind = match.lastindex
            if kind in _TOKENS:
                if conditions.compiled & ALL_TRUE:
                    stop = match.end()
                    character = text[stop - 1]
                    if character != ";":
                        self._process_bracket(character, stop - 1)
                    if character in ";{}":
                        pending = self._add_line(stop)
            elif kind in _DIRECTIVES:
                conditions.follow(text, match.start(kind), match.end())
                pending = pending and self._add_line(match.end())
        return self._lines

    def _process_bracket(self, bracket: str, position: int) -> None:
        text, open_brackets = self._text, self._open
        if bracket in "{}" and (position == 0 or text[position - 1] == "\n"):
            open_brackets.clear()
        if bracket not in "([{":
            if open_brackets:
                closed = open_brackets.pop()
                if bracket == ")":
                    self._condition, self._condition_stop = closed.position, position + 1
        elif len(open_brackets) < DEEPEST_NESTING:
            kind, column = self._describe_brace(position) if bracket == "{" else (_ROUND, 0)
            unchecked, cases, switches = open_brackets[-1][3:] if open_brackets else (0, 0, 0)
            unchecked += kind is _ROUND or kind is _INITIALIZER_BRACE
            cases += kind is _CASE
            switches += kind is _SWITCH_BRACE
            open_brackets.append(OpenBrace(kind, column, position, unchecked, cases, switches))

    def _describe_brace(self, position: int) -> tuple[Brace, int]:
        """Return the kind of a brace and the column of its line."""
        text = self._text
        line = self._find_line(position)
        after_condition = self._condition_stop == position - 1 and text[position - 1] == " "
        column = self._find_column(self._condition if after_condition else position)
        if not text[line:position].strip():
            line = self._find_line(line - 1)
        if self._open and self._open[-1].kind is _INITIALIZER_BRACE:
            return _INITIALIZER_BRACE, column
        if position == self._block or _AFTER_CASE.fullmatch(text, line, position):
            return _CASE, column
        if _INITIALIZER.search(text, max(0, position - _CODE_BEFORE_BRACE), position):
            return _INITIALIZER_BRACE, column
        return (_SWITCH_BRACE if _SWITCH.match(text, line, position) else _BLOCK), column

    def _find_column(self, position: int) -> int:
        """Return the column of the first character of the line of a position."""
        line = self._text[self._find_line(position) : position]
        return _measure(line[: len(line) - len(line.lstrip(" \t"))])

    def _find_line(self, position: int) -> int:
        """Return the start of the line of a position, if it is not too far away."""
        return self._text.rfind("\n", max(0, position - _LONGEST_INDENTATION), max(0, position)) + 1

    def _add_line(self, position: int) -> bool:
        """Add the line after the end of a statement, or return True if a directive precedes that line."""
        text, open_brackets = self._text, self._open
        if not open_brackets or open_brackets[-1].unchecked or len(self._lines) >= MOST_LINES:
            return False
        while match := _NEXT_LINE.match(text, position):
            if match["directive"] or not self._conditions.compiled & ALL_TRUE:
                return True
            start = match.end() - 1
            if text[start] == "{":
                self._block = start
            word = _LINE_START.match(text, start)
            kind = word.lastgroup if word else "statement"
            innermost = open_brackets[-1]
            if kind == "case" and innermost.kind is _BLOCK:
                innermost = innermost._replace(kind=_SWITCH_BRACE, switches=innermost.switches + 1)
                open_brackets[-1] = innermost
            # The statement of an `else` may be inside a statement without braces.
            if kind in ("case", "statement"):
                self._lines.append(self._describe_line(match.start("indentation"), start, innermost, kind == "case"))
            if word is None or kind == "else":
                return False
            position = word.end()
        return False

    def _describe_line(self, line: int, start: int, innermost: OpenBrace, case: bool) -> Line:
        """Describe a line from the beginning of its indentation and its first other character."""
        text = self._text
        closing = text[start] == "}"
        most = len(self._open) - closing
        optional = innermost.cases + (text[start] == "{")
        in_switch = innermost.kind is _SWITCH_BRACE
        if in_switch and (_BREAK.match(text, start) or _MACRO.match(text, start)):
            optional += 1
        shift = innermost.switches - (closing and in_switch)
        indentation = text[line : min(start, line + _LONGEST_INDENTATION)]
        inside = 0 if closing or case else 1
        least = max(0, most - optional - case)
        depth = Depth(_measure(indentation), innermost.column, inside, least, most, shift - case)
        role = "end" if closing else "case" if case else "statement"
        return Line(line, len(indentation), depth, innermost.position, role)


def _measure(indentation: str) -> int:
    """Return the column after tabs and spaces."""
    return len(indentation.expandtabs(_TAB)) if "\t" in indentation else len(indentation)

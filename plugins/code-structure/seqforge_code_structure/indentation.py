"""Compare the indentation of lines with that of the braces around them.

A line is checked if it begins a statement or declaration inside braces: the last token before it, ignoring comments and
directives, is `;`, `{`, `}` or the `:` of a label, it does not begin with `else`, and neither a round or square bracket
nor the brace of an initializer is open. It agrees if its column is nearest to that of the statement of the innermost
brace and one unit more. If that statement is in a wrong column itself, its correct column counts. A line that begins
with `}` must have the column of that statement. A line with `case` or `default`, and a `break` that belongs to a
`switch`, may have it, too. In the other style, `case` is indented, so that the statements of a `switch` have two units
more. Other labels are not checked.

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
_SPACES = re.compile(r"[ \t]*+")
_TAB = 8
"""Columns of a tab."""
_LONGEST_INDENTATION = 256
"""Number of characters at the beginning of a line that are examined, so that the time stays linear."""
_CODE_BEFORE_BRACE = 40
"""Number of characters before a brace in which the sign of an initializer is searched for."""
_TOKENS = (int(TokenKind.BRACKET), int(TokenKind.SEMICOLON))  # attributes of an enumeration are slow
_DIRECTIVES = (int(TokenKind.DIRECTIVE), int(TokenKind.OPENING_DIRECTIVE))


class OpenBracket(NamedTuple):
    """An open bracket.

    Attributes:
        kind: "block"; "switch"; "statement" for a block that is a statement or follows a `case`; or "unchecked" for a
            round or square bracket, the brace of an initializer, and any bracket inside of these.
        position: Position of the bracket.
        line: Position of the line of its statement.
        column: Column of the first character of this line.
    """

    kind: Literal["block", "switch", "statement", "unchecked"]
    position: int
    line: int
    column: int


class Line(NamedTuple):
    """A line that is checked.

    Attributes:
        position: Position of its first character.
        length: Number of tabs and spaces at its beginning.
        column: Column after these.
        brace: Innermost open brace.
        role: Whether the line begins with `}`, a `case`, or another statement of the block.
        least: Smallest correct number of units to the right of the statement of the brace, unless `case` is indented.
    """

    position: int
    length: int
    column: int
    brace: OpenBracket
    role: Literal["end", "case", "statement"]
    least: int

    def bounds(self, indented_cases: bool) -> tuple[int, int]:
        """Return the correct numbers of units to the right of the statement of the brace: smallest and largest."""
        added = indented_cases and self.brace.kind == "switch" and self.role != "end"
        return self.least + added, (self.role == "statement") + added

    def is_exact(self, unit: int, indented_cases: bool) -> bool:
        """Return whether the column is a correct number of units away from that of the brace."""
        units, rest = divmod(self.column - self.brace.column, unit)
        least, most = self.bounds(indented_cases)
        return rest == 0 and least <= units <= most


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
    units = [_TAB, *sorted({line.column - line.brace.column for line in lines} & set(range(1, _TAB)), reverse=True)]
    styles = [(unit, indented) for indented in (False, True) for unit in units]
    unit, indented = max(styles, key=lambda style: sum(line.is_exact(*style) for line in lines))
    analysis = IndentationAnalysis(unit, indented, len(lines), len(lines))
    aligned = _find_aligned_blocks(lines, unit)
    corrected: dict[int, int] = {}
    for line in lines:
        start = corrected.get(line.brace.line, line.brace.column)
        units_inside, rest = divmod(2 * (line.column - start) + unit, 2 * unit)
        least, most = line.bounds(indented)
        agrees = rest > 0 and least <= units_inside <= most
        if agrees or line.is_exact(unit, indented) or (line.brace.position, line.role) in aligned:
            continue
        corrected[line.position] = start + most * unit
        analysis.agreeing -= 1
        if len(analysis.defects) < MOST_DEFECTS:
            level = round(start / unit) + most
            message = f"the indentation does not match the brace depth: expected {level} level{'s' * (level != 1)}"
            stop = line.position + max(1, line.length)
            analysis.defects.append(Defect(line.position, stop, "indentation", message))
    return analysis


def _find_aligned_blocks(lines: Iterable[Line], unit: int) -> set[tuple[int, str]]:
    """Return the blocks whose statements are all in one column, to the right of the block's own line."""
    added: dict[tuple[int, str], Counter[int]] = {}
    for line in lines:
        if line.role != "end":
            added.setdefault((line.brace.position, line.role), Counter())[line.column - line.brace.column] += 1
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
        self._open: list[OpenBracket] = []
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
            open_brackets.append(self._describe_bracket(bracket, position))

    def _describe_bracket(self, bracket: str, position: int) -> OpenBracket:
        """Return a bracket that is opened, with the line of its statement."""
        text = self._text
        line = before = self._find_line(position)
        if bracket != "{" or (self._open and self._open[-1].kind == "unchecked"):
            return OpenBracket("unchecked", position, line, 0)
        if self._condition_stop == position - 1 and text[position - 1] == " ":
            line = self._find_line(self._condition)
        if not text[before:position].strip():
            before = self._find_line(before - 1)
        kind = "block"
        if position == self._block or _AFTER_CASE.fullmatch(text, before, position):
            kind = "statement"
        elif _INITIALIZER.search(text, max(0, position - _CODE_BEFORE_BRACE), position):
            kind = "unchecked"
        elif _SWITCH.match(text, before, position):
            kind = "switch"
        return OpenBracket(kind, position, line, self._measure(line))

    def _find_line(self, position: int) -> int:
        """Return the start of the line of a position, if it is not too far away."""
        return self._text.rfind("\n", max(0, position - _LONGEST_INDENTATION), max(0, position)) + 1

    def _measure(self, line: int) -> int:
        """Return the column of the first character of a line that is no space."""
        spaces = _SPACES.match(self._text, line, line + _LONGEST_INDENTATION)
        return len(spaces[0].expandtabs(_TAB)) if spaces else 0

    def _add_line(self, position: int) -> bool:
        """Add the line after the end of a statement, or return True if a directive precedes that line."""
        text, open_brackets = self._text, self._open
        if not open_brackets or open_brackets[-1].kind == "unchecked" or len(self._lines) >= MOST_LINES:
            return False
        while match := _NEXT_LINE.match(text, position):
            if match["directive"] or not self._conditions.compiled & ALL_TRUE:
                return True
            start = match.end() - 1
            if text[start] == "{":
                self._block = start
            word = _LINE_START.match(text, start)
            kind = word.lastgroup if word else "statement"
            if kind == "case" and open_brackets[-1].kind == "block":
                open_brackets[-1] = open_brackets[-1]._replace(kind="switch")
            # The statement of an `else` may be inside a statement without braces.
            if kind in ("case", "statement"):
                self._lines.append(self._describe_line(match.start("indentation"), start, kind == "case"))
            if word is None or kind == "else":
                return False
            position = word.end()
        return False

    def _describe_line(self, line: int, start: int, case: bool) -> Line:
        """Describe a line from the beginning of its indentation and its first other character."""
        text, brace = self._text, self._open[-1]
        optional = text[start] == "{" or brace.kind == "statement"
        if brace.kind == "switch":
            optional |= _BREAK.match(text, start) is not None or _MACRO.match(text, start) is not None
        role = "end" if text[start] == "}" else "case" if case else "statement"
        least = 0 if optional or role != "statement" else 1
        return Line(line, min(start - line, _LONGEST_INDENTATION), self._measure(line), brace, role, least)

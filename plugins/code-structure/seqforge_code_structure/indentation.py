"""Compare the indentation of statements with that of the construct of their block, in the syntax tree of a unit.

A statement must be one unit to the right of the line on which its construct begins, or of its opening brace if this is
alone on its line. The closing brace must be in the column of that line. A `case` may be in the column of its `switch`
or one unit to the right, and a `break` in the column of its `case`. Labels are not checked. If the line of the
construct is in a wrong column itself, its correct column counts.

A block may have a style of its own: its statements also agree if they are all in one column, to the right of the
construct; a single one, by at most two units. A macro in capital letters inside a `switch` may be a `case`. A block
that is itself a statement need not count, since such blocks often follow a directive.

The unit is 1 to 8 columns: the most frequent distance. A column counts as the nearest number of units.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tree_sitter import Node

from seqforge_code_structure.defects import MOST_DEFECTS, Defect
from seqforge_code_structure.identifiers.reading import UnitNames
from seqforge_code_structure.syntax import Captures, order_captures

_SPACES = re.compile(r"[ \t]*+")
_CALL_OF_MACRO = re.compile(r"[A-Z][A-Z0-9_]++[ \t]*+[(\n]")
_TAB = 8
"""Columns of a tab."""
_LONGEST_INDENTATION = 256
"""Number of characters at the beginning of a line that are examined, so that the time stays linear."""


class _Block(NamedTuple):
    """A construct or its body.

    Attributes:
        place: Position on the line that the indentation of its lines is compared with.
        checked: Whether the lines inside it are checked.
    """

    stop: int
    kind: str
    place: int
    checked: bool


class _Line(NamedTuple):
    """A line that is checked.

    Attributes:
        start: Position of its first character.
        length: Number of tabs and spaces at its beginning.
        column: Column after these.
        construct: Start of the line of its construct.
        base: Column of that line after its tabs and spaces.
        body: Position of the body that contains it.
        least: Smallest correct number of units to the right of the construct.
        most: Largest correct number.
    """

    start: int
    length: int
    column: int
    construct: int
    base: int
    body: int
    least: int
    most: int


class IndentationAnalysis(NamedTuple):
    """Result of `analyze_indentation`.

    Attributes:
        unit: Number of columns of a level.
        lines: Number of lines that were checked.
        agreeing: Number of these lines that agree.
        defects: Lines that do not agree, in the order of the text, at most `MOST_DEFECTS`.
    """

    unit: int
    lines: int
    agreeing: int
    defects: list[Defect]


def analyze_indentation(text: str, units: Iterable[UnitNames]) -> IndentationAnalysis:
    """Check the lines of the units of a text."""
    lines = sorted(line for unit in units for line in _find_lines(text, unit.captures))
    distances = Counter(line.column - line.base for line in lines if line.most)
    unit = max(range(1, _TAB + 1), key=lambda distance: (distances[distance], distance)) if distances else _TAB
    bodies: dict[int, list[int]] = {}
    for line in lines:
        if line.most:
            bodies.setdefault(line.body, []).append(line.column - line.base)
    aligned = {
        body
        for body, columns in bodies.items()
        if min(columns) == max(columns) > 0 and (columns[0] <= 2 * unit or len(columns) > 1)
    }
    agreeing, defects = len(lines), list[Defect]()
    corrected: dict[int, int] = {}
    for line in lines:
        base = corrected.get(line.construct, line.base)
        level, rest = divmod(2 * (line.column - base) + unit, 2 * unit)
        if (rest > 0 and line.least <= level <= line.most) or (line.most and line.body in aligned):
            continue
        corrected[line.start] = base + line.least * unit
        agreeing -= 1
        if len(defects) < MOST_DEFECTS:
            expected = round(base / unit) + line.most
            message = (
                f"the indentation does not match the brace depth: expected {expected} level{'s' * (expected != 1)}"
            )
            stop = line.start + max(1, line.length)
            defects.append(Defect(line.start, stop, "indentation", message))
    return IndentationAnalysis(unit, len(lines), agreeing, defects)


def _find_lines(text: str, captures: Captures) -> Iterator[_Line]:
    """Yield the lines of a unit that are checked."""
    unchecked = {node.id for node in captures.get("unchecked", ())}
    around: list[_Block] = []
    for start, negative_stop, capture, node in order_captures(captures, ("construct", "body")):
        while around and around[-1].stop <= start:
            around.pop()
        outer = around[-1] if around else _Block(0, "compound_statement", start, checked=True)
        kind, place, checked = node.type, start, outer.checked and node.id not in unchecked
        if capture == "body" and kind != "case_statement":
            if outer.kind == "switch_statement":
                kind = "switch_body"
            elif outer.kind in ("compound_statement", "case_statement"):
                kind = "statement"
            if _find_indentation(text, start) is None:
                place = outer.place
        around.append(_Block(-negative_stop, kind, place, checked))
        if capture == "body" and checked:
            yield from _find_lines_of_body(text, node, kind, place)


def _find_lines_of_body(text: str, body: Node, block: str, place: int) -> Iterator[_Line]:
    construct, start_of_body = text.rfind("\n", 0, place) + 1, body.start_byte
    spaces = _SPACES.match(text, construct, construct + _LONGEST_INDENTATION)
    base = len(spaces[0].expandtabs(_TAB)) if spaces else 0
    for node in body.children:
        start = node.start_byte
        if (indentation := _find_indentation(text, start)) is None:
            continue
        kind = node.type
        if kind in ("labeled_statement", "ERROR") or not (kind == "}" or node.is_named) or start == node.end_byte:
            continue
        optional = (
            block == "statement"
            or kind in ("compound_statement", "case_statement")
            or (block == "case_statement" and kind == "break_statement")
            or (block == "switch_body" and _CALL_OF_MACRO.match(text, start) is not None)
        )
        least, most = (0, 0) if kind == "}" else (int(not optional), 1)
        length, column = len(indentation), len(indentation.expandtabs(_TAB))
        yield _Line(start - length, length, column, construct, base, start_of_body, least, most)


def _find_indentation(text: str, start: int) -> str | None:
    """Return the spaces before a position on its line, or None if there is other text, or very many."""
    first = max(0, start - _LONGEST_INDENTATION)
    line = text.rfind("\n", first, start) + 1
    if not line and first:
        return None
    spaces = text[line:start]
    return spaces if not spaces or spaces.isspace() else None

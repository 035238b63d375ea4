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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tree_sitter import Node, QueryCursor

from seqforge_code_structure.defects import MOST_DEFECTS, Defect
from seqforge_code_structure.identifiers.reading import UnitNames
from seqforge_code_structure.syntax import read_query

_QUERY = read_query("indentation.scm")
_SPACES = re.compile(r"[ \t]*+")
_CALL_OF_MACRO = re.compile(r"[A-Z][A-Z0-9_]++[ \t]*+[(\n]")
_TAB = 8
"""Columns of a tab."""
_LONGEST_INDENTATION = 256
"""Number of characters at the beginning of a line that are examined, so that the time stays linear."""


class _Block(NamedTuple):
    """A construct or its block: its end, its kind, the start of its line, and its own position."""

    stop: int
    kind: str
    line: int
    position: int


class Line(NamedTuple):
    """A line that is checked.

    Attributes:
        start: Position of its first character.
        length: Number of tabs and spaces at its beginning.
        column: Column after these.
        construct: Start of the line of its construct.
        block: Position of its block.
        least: Smallest correct number of units to the right of the construct.
        most: Largest correct number.
    """

    start: int
    length: int
    column: int
    construct: int
    block: int
    least: int
    most: int


@dataclass(slots=True)
class IndentationAnalysis:
    """Result of `analyze_indentation`.

    Attributes:
        unit: Number of columns of a level.
        lines: Number of lines that were checked.
        agreeing: Number of these lines that agree.
        defects: Lines that do not agree, in the order of the text, at most `MOST_DEFECTS`.
    """

    unit: int = _TAB
    lines: int = 0
    agreeing: int = 0
    defects: list[Defect] = field(default_factory=list[Defect])


def analyze_indentation(text: str, units: Sequence[UnitNames]) -> IndentationAnalysis:
    """Check the lines of the units of a text."""
    lines = [line for unit in units for line in _find_lines(text, unit)]
    distances = [line.column - _measure(text, line.construct)[1] for line in lines]
    counts = Counter(found for found, line in zip(distances, lines, strict=True) if line.most and 0 < found <= _TAB)
    unit = max(counts, key=lambda found: (counts[found], found), default=_TAB)
    columns: dict[int, set[int]] = {}
    statements = Counter(line.block for line in lines if line.most)
    for found, line in zip(distances, lines, strict=True):
        if line.most:
            columns.setdefault(line.block, set()).add(found)
    aligned = {
        block
        for block, found in columns.items()
        if len(found) == 1 and min(found) > 0 and (min(found) <= 2 * unit or statements[block] > 1)
    }
    analysis = IndentationAnalysis(unit, len(lines), len(lines))
    corrected: dict[int, int] = {}
    for line in lines:
        base = corrected.get(line.construct, _measure(text, line.construct)[1])
        level, rest = divmod(2 * (line.column - base) + unit, 2 * unit)
        if (rest > 0 and line.least <= level <= line.most) or (line.most and line.block in aligned):
            continue
        corrected[line.start] = base + line.least * unit
        analysis.agreeing -= 1
        if len(analysis.defects) < MOST_DEFECTS:
            expected = round(base / unit) + line.most
            message = (
                f"the indentation does not match the brace depth: expected {expected} level{'s' * (expected != 1)}"
            )
            stop = line.start + max(1, line.length)
            analysis.defects.append(Defect(line.start, stop, "indentation", message))
    return analysis


def _find_lines(text: str, unit: UnitNames) -> Iterator[Line]:
    if unit.tree is None:
        return
    captures = QueryCursor(_QUERY).captures(unit.tree.root_node)
    order = ("line", "end", "construct", "unchecked", "block")
    found = [(node, capture) for capture in order for node in captures.get(capture, ())]
    open_: list[_Block] = []
    for node, capture in sorted(found, key=lambda each: (each[0].start_byte, -each[0].end_byte, order.index(each[1]))):
        start, stop = unit.start + node.start_byte, unit.start + node.end_byte
        while open_ and open_[-1].stop <= start:
            open_.pop()
        line = text.rfind("\n", 0, start) + 1
        begins = text[line : min(start, line + _LONGEST_INDENTATION)].isspace() or line == start
        if capture in ("construct", "unchecked") or (capture == "block" and node.type == "case_statement"):
            open_.append(_Block(stop, node.type if capture != "unchecked" else capture, line, start))
        elif capture == "block":
            around = open_[-1] if open_ else None
            nested = around is None or around.kind in ("compound_statement", "case_statement")
            kind = "switch_body" if around and around.kind == "switch_statement" else "statement" if nested else "block"
            open_.append(
                _Block(
                    stop,
                    node.type if kind == "block" else kind,
                    line if begins or around is None else around.line,
                    start,
                )
            )
        elif begins and start < stop and open_ and node.type not in ("labeled_statement", "ERROR"):
            if any(each.kind == "unchecked" for each in open_):
                continue
            yield _describe(text, line, start, node, capture, open_[-1])


def _describe(text: str, line: int, start: int, node: Node, capture: str, block: _Block) -> Line:
    optional = (
        block.kind == "statement"
        or node.type in ("compound_statement", "case_statement")
        or (block.kind == "case_statement" and node.type == "break_statement")
        or (block.kind == "switch_body" and _CALL_OF_MACRO.match(text, start) is not None)
    )
    least, most = (0, 0) if capture == "end" else (int(not optional), 1)
    length, column = _measure(text, line)
    return Line(line, length, column, block.line, block.position, least, most)


def _measure(text: str, line: int) -> tuple[int, int]:
    """Return the number of spaces and tabs at the beginning of a line, and the column after them."""
    spaces = _SPACES.match(text, line, line + _LONGEST_INDENTATION)
    return (len(spaces[0]), len(spaces[0].expandtabs(_TAB))) if spaces else (0, 0)

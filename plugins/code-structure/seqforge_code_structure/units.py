"""A text divided into its top-level units: by brackets where they are right, by columns where they are not.

A *unit* is a run of whole lines that holds one external declaration of C, such as a function, a structure or an
initialised table, with the comments, directives and blank lines before it; several declarations where no line parts
them. The units of a text follow one another without a gap: the text is their concatenation.

A unit ends with the line of a `;` or `}` behind which

- no bracket is open under either assignment of the preprocessor's conditions (see `lexing.conditions`),
- nothing but blanks and comments stands on the line, and
- the next line that is not blank begins in column 0, with a letter, `_`, `#` or a comment; or the text ends.

Where brackets are wrong, that place may never come. So a unit also ends, though brackets be open, where the last two
conditions hold and

- the line began with `}` in column 0, or
- behind comments and directives a declaration follows: a line in column 0 that begins with two names, such as
  `static int`, or with a macro in capital letters and its bracket, such as `MODULE_LICENSE(`.

The *kind* of a unit is `complete`; or `head`, for the part of a text up to the first such `}` in column 0, if the
text is said to begin in the middle; or `tail`, for what follows the last of these ends, if the text is said to be cut.
A cut tail holds comments and directives alone where nothing else follows.

Brackets are judged in the same pass, since the division needs the same stacks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from seqforge_code_structure.fault import Fault
from seqforge_code_structure.lexing.conditions import Conditions
from seqforge_code_structure.lexing.structure import COMMENT, DIRECTIVE, LINE_COMMENT, Kind, may_be_cut, structure
from seqforge_code_structure.limits import DEEPEST_NESTING, MOST_FAULTS
from seqforge_code_structure.macros import judge_macro
from seqforge_code_structure.stacks import Stacks
from seqforge_code_structure.suspicions import suspicion

_LINE_END = re.compile(
    rf"(?:[ \t\r\f]++|{COMMENT})*+(?:{LINE_COMMENT})?(?:\Z|(?P<end>\n)(?:[ \t\r\f]*+\n)*+(?=[A-Za-z_#/]|\s*+\Z))"
)
_BLANK = re.compile(r"[ \t\r]*+(?:\n|\Z)")
_DECLARATION_FOLLOWS = re.compile(
    rf"(?:\s++|{COMMENT}|{LINE_COMMENT}|{DIRECTIVE})*+(?<=\n)(?!(?:if|for|while|switch|do|else|return|goto|case)\b)"
    r"(?:[A-Za-z_]\w*+[ \t]++\**[A-Za-z_]|[A-Z_][A-Z0-9_]*+\()"
)
_LONGEST_LINE_OF_A_BRACE = 100


@dataclass(slots=True)
class Unit:
    """A top-level unit of a text.

    Attributes:
        start: Its first character.
        stop: One past its last.
        kind: Whether all of it is there.
        brackets: Brackets in it that are compiled under some assignment, those of macros included.
        faults: Places where they are wrong, in order; at most `MOST_FAULTS`.
        fault_count: How many there are.
        too_deep: Whether brackets or conditions nest deeper than `DEEPEST_NESTING`; then they are not analysed, which
            is the one thing that `faults` says, of the whole unit.
    """

    start: int
    stop: int
    kind: Literal["head", "complete", "tail"]
    brackets: int = 0
    faults: list[Fault] = field(default_factory=list[Fault])
    fault_count: int = 0
    too_deep: bool = False

    def add(self, fault: Fault) -> None:
        """Note a fault."""
        self.fault_count += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(fault)


def split(text: str, *, beginning_missing: bool = False, end_missing: bool = False) -> Iterator[Unit]:
    """Divide a text into units, and judge their brackets.

    Takes time linear in the text, and memory for one unit's faults only.

    Args:
        text: C, or what should be C.
        beginning_missing: Whether the text may begin in the middle of a unit: then brackets that are closed before the
            first `}` in column 0 need not have been opened.
        end_missing: Whether the text was cut at its end: then brackets may be open there.

    Yields:
        The units in order; none for an empty text.
    """
    division = _Division(text, beginning_missing)
    for match in structure(text):
        kind = match.lastindex
        if kind == Kind.BRACKET or kind == Kind.SEMICOLON:
            if division.conditions.compiled and (unit := division.after(match.end() - 1)):
                yield unit
        elif kind == Kind.DIRECTIVE or kind == Kind.OPENING_DIRECTIVE:
            division.follow(match.start(kind), match.end(), cut=end_missing and match.end() == len(text))
        elif kind == Kind.END or (
            kind == Kind.UNTERMINATED_CHARACTER and end_missing and may_be_cut(text, match.end() - 1)
        ):
            break
    if division.unit.start < len(text):
        yield division.finish(len(text), cut=end_missing)


class _Division:
    """A division that is under way."""

    def __init__(self, text: str, beginning_missing: bool) -> None:
        self.text = text
        self.conditions = Conditions()
        self.stacks = Stacks(beginning_missing)
        self.unit = Unit(0, 0, "head" if beginning_missing else "complete")
        self.brace = -_LONGEST_LINE_OF_A_BRACE
        """The last `}` in column 0."""
        self.suspicions: dict[int, Fault] = {}
        """Faults of this unit that only show should it be cut."""

    def follow(self, start: int, stop: int, cut: bool) -> None:
        """Take note of a directive."""
        unit = self.unit
        if self.conditions.follow(self.text, start, stop) == "define" and self.conditions.compiled:
            brackets, faults = judge_macro(self.text, start, stop, cut)
            unit.brackets += brackets
            for fault in faults:
                unit.add(fault)
        unit.too_deep |= self.conditions.too_deep

    def after(self, position: int) -> Unit | None:
        """Take note of a bracket or semicolon; give the unit that ends behind it, if one does."""
        character = self.text[position]
        top = self.stacks.all_true
        if character != ";":
            self._bracket(character, position)
        # Where there are that many, one more tells nothing.
        few = character in ";{}" and len(self.suspicions) < MOST_FAULTS
        if few and (fault := suspicion(self.text, position, self.stacks, top)):
            self.suspicions[fault.position] = fault
        if self.stacks.beginning_missing and self._brace_began_line(position) and _BLANK.match(self.text, position + 1):
            self.stacks.clear()
        if character not in ";}" or not (end := _LINE_END.match(self.text, position + 1)):
            return None
        stop = end.end("end") if end["end"] else len(self.text)
        right = self.stacks.empty and not self.unit.too_deep and self.unit.kind != "head"
        if right or self._brace_began_line(position) or _DECLARATION_FOLLOWS.match(self.text, stop):
            return self.finish(stop)
        return None

    def _bracket(self, bracket: str, position: int) -> None:
        unit, stacks, compiled = self.unit, self.stacks, self.conditions.compiled
        unit.brackets += 1
        # Where the beginning is missing, nobody knows the first character's column.
        if bracket == "}" and (self.text[position - 1] == "\n" if position else not stacks.beginning_missing):
            self.brace = position
        if unit.too_deep:
            return
        if bracket not in "([{":
            if fault := stacks.close(bracket, position, compiled):
                unit.add(fault)
        elif stacks.full:
            unit.too_deep = True
        else:
            stacks.open(bracket, position, compiled)

    def _brace_began_line(self, position: int) -> bool:
        brace = self.brace
        return position - brace < _LONGEST_LINE_OF_A_BRACE and "\n" not in self.text[brace:position]

    def finish(self, stop: int, cut: bool = False) -> Unit:
        """End the unit, and begin the next."""
        unit = self.unit
        unit.stop = stop
        if cut and unit.kind == "complete":
            unit.kind = "tail"
        known = {fault.position for fault in unit.faults}
        late = self.suspicions.values() if unit.kind == "tail" else [] if cut else self.stacks.unclosed()
        for fault in late:
            if fault.position not in known:
                unit.add(fault)
        if unit.too_deep:
            words = f"not analysed: nested deeper than {DEEPEST_NESTING}"
            unit.faults, unit.fault_count = [Fault(unit.start, words, stop - unit.start)], 0
        unit.faults.sort()
        self.suspicions = {}
        self.stacks.clear()
        self.unit = Unit(stop, stop, "complete", too_deep=self.conditions.too_deep)
        return unit

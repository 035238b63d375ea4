"""Comments, strings and character literals that are not ended, and comment ends that end nothing.

A comment runs to the next `*/`, however far: that its own end is missing shows by a `/*` inside it, which compilers
warn of and Linux has none of. Code that no assignment of the conditions compiles is passed over.
"""

import re
from dataclasses import dataclass, field

from seqforge_code_structure.fault import Fault
from seqforge_code_structure.lexing.conditions import Conditions
from seqforge_code_structure.lexing.structure import Kind, may_be_cut, structure, structure_of_body
from seqforge_code_structure.limits import MOST_FAULTS

_COMMENT_BEGINS = re.compile(r"/\*")
_QUOTES_OR_COMMENTS = re.compile(r"[\"'/]|\*/")
_PROSE = frozenset({"error", "warning", "pragma", "include"})
"""Directives whose text is not C."""

_COUNTED = {
    Kind.COMMENT: "comments",
    Kind.UNTERMINATED_COMMENT: "comments",
    Kind.STRING: "strings",
    Kind.UNTERMINATED_STRING: "strings",
    Kind.CHARACTER: "characters",
    Kind.UNTERMINATED_CHARACTER: "characters",
    Kind.STRAY_COMMENT_END: "comment_ends",
}


@dataclass(slots=True)
class Terminators:
    """What a text has of comments, strings and character literals.

    Attributes:
        total: How many there are: `comments` (as `/* */`), `strings`, `characters`, and stray `comment_ends`.
        wrong: How many of them are wrong.
        faults: Where they are, in order; at most `MOST_FAULTS`.
    """

    total: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED.values(), 0))
    wrong: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED.values(), 0))
    faults: list[Fault] = field(default_factory=list[Fault])


def terminators(text: str, *, end_missing: bool = False) -> Terminators:
    """Find what is not ended. Takes time linear in the text.

    Args:
        text: C, or what should be C.
        end_missing: Whether the text was cut at its end: then what lasts to there need not be ended.
    """
    found = Terminators()
    conditions = Conditions()
    for match in structure(text):
        kind = Kind(match.lastindex or Kind.END)
        if kind is Kind.END:
            break
        if kind in (Kind.DIRECTIVE, Kind.OPENING_DIRECTIVE):
            start, stop = match.start(kind), match.end()
            prose = conditions.follow(text, start, stop) in _PROSE
            if not prose and conditions.compiled and _QUOTES_OR_COMMENTS.search(text, start, stop):
                for inner in structure_of_body(text, start, stop):
                    _count(found, text, inner, end_missing)
        elif conditions.compiled:
            _count(found, text, match, end_missing)
    return found


def _count(found: Terminators, text: str, match: re.Match[str], end_missing: bool) -> None:
    kind = Kind(match.lastindex or Kind.END)
    if not (name := _COUNTED.get(kind)):
        return
    found.total[name] += 1
    start, stop = match.span(kind)
    if message := _message(text, kind, start, stop, end_missing):
        found.wrong[name] += 1
        if len(found.faults) < MOST_FAULTS:
            length = 1 if kind is Kind.UNTERMINATED_CHARACTER else 2 if name != "strings" else stop - start
            found.faults.append(Fault(start, message, length))


def _message(text: str, kind: Kind, start: int, stop: int, end_missing: bool) -> str:
    """Say what is wrong; "" where nothing is."""
    cut = end_missing and stop == len(text)
    match kind:
        case Kind.COMMENT | Kind.UNTERMINATED_COMMENT if _COMMENT_BEGINS.search(text, start + 2, stop):
            return "the comment is not ended before another begins"
        case Kind.UNTERMINATED_COMMENT if not cut:
            return "the comment is never ended"
        case Kind.UNTERMINATED_STRING if not cut:
            return "the string is not ended in its line"
        case Kind.UNTERMINATED_CHARACTER if not (end_missing and may_be_cut(text, start)):
            return "the character literal is not ended in its line"
        case Kind.STRAY_COMMENT_END if not cut:
            return "'*/' ends no comment"
        case _:
            return ""

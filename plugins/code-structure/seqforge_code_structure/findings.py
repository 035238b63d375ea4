"""Find all errors in a text, for `seqforge c-structure` and for the metrics."""

import re
from collections.abc import Sequence

from seqforge_code_structure.defects import Defect
from seqforge_code_structure.identifiers.checks import check_names
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.reading import UnitNames, read_units
from seqforge_code_structure.indentation import analyze_indentation
from seqforge_code_structure.terminators import analyze_terminators
from seqforge_code_structure.units import begins_inside_unit, split_units

_PRECEDENCE = ("undefined-return", "undefined-name", "novel-name")
"""Rules for one name, of which the first that it breaks is reported."""

_SAMPLE = re.compile(r"^--- sample \d+ of \d+\n", re.MULTILINE)
"""The line before each of several samples."""


def report_names(units: Sequence[UnitNames], defects: Sequence[Defect]) -> list[Defect]:
    """Return one of the errors of each name, and the units that do not parse or are not analyzed."""
    broken: dict[int, set[str]] = {}
    for defect in defects:
        broken.setdefault(defect.start, set()).add(defect.rule)
    found = [
        defect
        for defect in defects
        if defect.rule == next((rule for rule in _PRECEDENCE if rule in broken[defect.start]), defect.rule)
    ]
    for unit in units:
        if unit.refusal:
            found.append(Defect(unit.start, unit.start + 1, "too-complex", unit.refusal))
        elif unit.error is not None and not unit.cut:
            message = f"does not parse: unexpected {unit.keyword!r}" if unit.keyword else "does not parse"
            found.append(Defect(unit.error, unit.error + max(1, len(unit.keyword)), "syntax", message))
    return sorted(found)


def analyze(text: str, lexicon: Lexicon | None, *, cut: bool = False, strict: bool = False) -> list[Defect]:
    """Return the errors of all rules in a text, in its order.

    Args:
        text: The text. Samples as `seqforge sample --count 2` prints them are analyzed separately.
        lexicon: Lexicon of a training text. Without one, only a `strict` analysis finds undefined names.
        cut: Whether the text lacks its end, and may lack its beginning.
        strict: Whether every name must be declared by the text, except names of called functions and constants.
    """
    return [
        defect._replace(start=defect.start + start, stop=defect.stop + start)
        for start, stop in find_samples(text)
        for defect in _analyze_text(text[start:stop], lexicon, cut, strict)
    ]


def find_samples(text: str) -> list[tuple[int, int]]:
    """Return the start and the end of each sample that `seqforge sample --count 2` prints, or of the whole text."""
    headers = list(_SAMPLE.finditer(text)) if "--- sample" in text else []
    starts = [match.end() for match in headers] or [0]
    return list(zip(starts, [*(match.start() for match in headers[1:]), len(text)], strict=True))


def _analyze_text(text: str, lexicon: Lexicon | None, cut: bool, strict: bool) -> list[Defect]:
    beginning_missing = cut and begins_inside_unit(text)
    parts = split_units(text, beginning_missing=beginning_missing, end_missing=cut)
    defects = [defect for unit in parts for defect in (*unit.defects, *unit.macro_defects)]
    defects += analyze_terminators(text, end_missing=cut).defects
    units = read_units(text, parts)
    defects += analyze_indentation(text, units).defects
    _, name_defects = check_names(units, lexicon, strict=strict, whole=not cut)
    return sorted(defects + report_names(units, name_defects))

"""Find all errors in a text, for `seqforge c-structure` and for the metrics."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from seqforge_code_structure.defects import Defect
from seqforge_code_structure.identifiers.checks import NameDefect, check_names
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.reading import UnitNames, read_units
from seqforge_code_structure.indentation import analyze_indentation
from seqforge_code_structure.rules import Diagnostic
from seqforge_code_structure.spelling import normalize_spelling
from seqforge_code_structure.terminators import analyze_terminators
from seqforge_code_structure.units import begins_inside_unit, split_units

_RULE_OF_KIND = {
    "undefined": "undefined-name",
    "undefined_novel": "novel-name",
    "returns_undeclared": "undefined-return",
    "unused": "unused-variable",
    "missing_label": "undefined-label",
}
_PRECEDENCE = ("returns_undeclared", "undefined", "undefined_novel")
"""Kinds of errors of one name, of which the first is reported."""


def describe_defects(defects: Iterable[Defect]) -> list[Diagnostic]:
    """Convert errors of brackets, literals and indentation to diagnostics."""
    return [
        Diagnostic(defect.position, defect.position + defect.length, defect.rule, defect.message) for defect in defects
    ]


def describe_names(units: Sequence[UnitNames], defects: Sequence[NameDefect]) -> list[Diagnostic]:
    """Convert the name errors of one text to diagnostics, and add the units that do not parse or are not analyzed."""
    kinds: dict[int, set[str]] = {}
    for defect in defects:
        kinds.setdefault(defect.start, set()).add(defect.kind)
    found = [
        Diagnostic(defect.start, defect.stop, _RULE_OF_KIND[defect.kind], defect.message)
        for defect in defects
        if defect.kind == next((kind for kind in _PRECEDENCE if kind in kinds[defect.start]), defect.kind)
    ]
    for unit in units:
        if unit.refusal:
            found.append(Diagnostic(unit.start, unit.start + 1, "too-complex", unit.refusal))
        elif unit.error is not None and not unit.cut:
            found.append(Diagnostic(unit.error, unit.error + 1, "syntax", "does not parse"))
    return sorted(found)


class Analysis(NamedTuple):
    """The errors in a text.

    Attributes:
        diagnostics: Errors of all rules, in the order of the text.
        counts: Counts of units, functions and characters that `check_names` describes.
    """

    diagnostics: list[Diagnostic]
    counts: Counter[str]


def analyze(text: str, lexicon: Lexicon | None, *, cut: bool = False, strict: bool = False) -> Analysis:
    """Find errors of brackets, comments, literals, indentation and names in a text.

    Args:
        text: The text.
        lexicon: Lexicon of a training text. Without one, only a `strict` analysis finds undefined names.
        cut: Whether the text lacks its end, and may lack its beginning.
        strict: Whether every name must be declared by the text, except names of called functions and constants.
    """
    text = normalize_spelling(text)
    beginning_missing = cut and begins_inside_unit(text)
    parts = list(split_units(text, beginning_missing=beginning_missing, end_missing=cut))
    defects = [defect for unit in parts for defect in (*unit.defects, *unit.macro_defects)]
    defects += analyze_terminators(text, end_missing=cut).defects
    defects += analyze_indentation(text).defects
    units = read_units(text, parts)
    counts, name_defects = check_names(units, lexicon, strict=strict, whole=not cut)
    unique: dict[tuple[int, str], Diagnostic] = {}
    for diagnostic in sorted(describe_defects(defects) + describe_names(units, name_defects)):
        # The analyses of brackets and of names both report a unit that is nested too deep.
        unique.setdefault((diagnostic.start, diagnostic.message), diagnostic)
    return Analysis(list(unique.values()), counts)

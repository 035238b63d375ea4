"""Find errors in a text, and report them as findings, for the metrics and for `seqforge c-structure`."""

from collections.abc import Iterable, Sequence
from typing import Literal

from seqforge.interfaces import Finding
from seqforge_code_structure.defects import Defect
from seqforge_code_structure.identifiers.checks import NameDefect, check_names
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.reading import UnitNames, read_units
from seqforge_code_structure.indentation import analyze_indentation
from seqforge_code_structure.terminators import analyze_terminators
from seqforge_code_structure.units import begins_inside_unit, split_units

Severity = Literal["error", "warning"]


def convert_defects(text: int, defects: Iterable[Defect], severity: Severity = "error") -> list[Finding]:
    """Convert the defects of one text, whose index is `text`, to findings."""
    return [
        Finding(text, defect.position, defect.position + defect.length, defect.message, severity) for defect in defects
    ]


def convert_name_defects(text: int, units: Sequence[UnitNames], defects: Sequence[NameDefect]) -> list[Finding]:
    """Convert the name errors of one text to findings, and add the units that do not parse or are not analyzed.

    Undeclared names that the training text does not contain are left out, since correct code has some too.
    """
    undefined = {defect.start for defect in defects if defect.kind == "undefined"}
    found = [
        Finding(text, defect.start, defect.stop, defect.message, "warning" if defect.kind == "unused" else "error")
        for defect in defects
        if defect.kind != "undefined_novel" and not (defect.kind == "returns_undeclared" and defect.start in undefined)
    ]
    for unit in units:
        if unit.refusal:
            found.append(Finding(text, unit.start, unit.start + 1, unit.refusal))
        elif unit.error is not None:
            found.append(Finding(text, unit.error, unit.error + 1, "does not parse"))
    return sorted(found, key=lambda finding: finding.start)


def find_name_errors(
    text: str, lexicon: Lexicon | None = None, *, beginning_missing: bool = False, end_missing: bool = False
) -> list[Finding]:
    """Find name errors, syntax errors, and units that are not analyzed, in the order of the text.

    Without a lexicon, no name counts as undefined.
    """
    units = read_units(text, beginning_missing=beginning_missing, end_missing=end_missing)
    return convert_name_defects(0, units, check_names(units, lexicon)[1])


def find_all_errors(text: str, lexicon: Lexicon | None, *, cut: bool) -> list[Finding]:
    """Find errors of brackets, comments, literals, indentation and names, in the order of the text.

    Without a lexicon, no name counts as undefined. If the text is `cut`, it lacks its end and may lack its beginning.
    """
    beginning_missing = cut and begins_inside_unit(text)
    units = split_units(text, beginning_missing=beginning_missing, end_missing=cut)
    defects = [defect for unit in units for defect in unit.defects]
    defects += analyze_terminators(text, end_missing=cut).defects
    found = convert_defects(0, defects)
    found += convert_defects(0, analyze_indentation(text).defects, "warning")
    found += find_name_errors(text, lexicon, beginning_missing=beginning_missing, end_missing=cut)
    unique: dict[tuple[int, str], Finding] = {}
    for finding in found:
        # The analyses of brackets and of names both report a unit that is nested too deep.
        unique.setdefault((finding.start, finding.message), finding)
    return sorted(unique.values(), key=lambda finding: finding.start)

"""A text's identifiers: its complete units, read and judged."""

from collections.abc import Sequence

from seqforge.interfaces import Finding
from seqforge_code_structure.identifiers.judgement import NameFault, judge
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.reading import UnitNames, read_unit
from seqforge_code_structure.units import split


def read_text(text: str, *, beginning_missing: bool = False, end_missing: bool = False) -> list[UnitNames]:
    """Read the complete units of a text.

    Args:
        text: C, or what should be C.
        beginning_missing: Whether the text may begin in the middle of a unit.
        end_missing: Whether the text was cut at its end.
    """
    units = split(text, beginning_missing=beginning_missing, end_missing=end_missing)
    return [read_unit(text, unit.start, unit.stop) for unit in units if unit.kind == "complete"]


def identifier_findings(
    text: str, lexicon: Lexicon | None = None, *, beginning_missing: bool = False, end_missing: bool = False
) -> list[Finding]:
    """Find faults of identifiers in a text, places that do not parse, and units that are not analysed.

    Names that the training text does not have are left out: real code has them, too.

    Args:
        text: C, or what should be C.
        lexicon: What the training text tells of names; without one, no name is undefined.
        beginning_missing: Whether the text may begin in the middle of a unit.
        end_missing: Whether the text was cut at its end.

    Returns:
        Findings in the order of the text, each of text 0.
    """
    units = read_text(text, beginning_missing=beginning_missing, end_missing=end_missing)
    return findings_of(0, units, judge(units, lexicon)[1])


def findings_of(number: int, units: Sequence[UnitNames], faults: Sequence[NameFault]) -> list[Finding]:
    """Turn what was found in a text into findings.

    Args:
        number: Which of the texts it is, from 0.
        units: Its units.
        faults: Their faults.
    """
    # Novel names are no fault each, only too many of them are; and what is told as undefined needs no second word.
    told = {fault.start for fault in faults if fault.kind == "undefined"}
    found = [
        Finding(number, fault.start, fault.stop, fault.message)
        for fault in faults
        if fault.kind != "undefined_novel" and not (fault.kind == "returns_undeclared" and fault.start in told)
    ]
    for unit in units:
        if unit.refusal:
            found.append(Finding(number, unit.start, unit.start + 1, unit.refusal))
        elif unit.error is not None:
            found.append(Finding(number, unit.error, unit.error + 1, "does not parse"))
    return sorted(found, key=lambda finding: finding.start)

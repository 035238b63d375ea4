"""Everything that is wrong with a text, in the order of the text."""

from seqforge.interfaces import Finding
from seqforge_code_structure.identifiers.analysis import identifier_findings
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.terminators import terminators
from seqforge_code_structure.units import split


def all_findings(text: str, lexicon: Lexicon | None, *, cut: bool) -> list[Finding]:
    """Find faults of brackets, of comments and literals, and of identifiers.

    Args:
        text: C, or what should be C.
        lexicon: What a training text tells of names; without one, no name is undefined.
        cut: Whether the text was cut at its end.
    """
    faults = [fault for unit in split(text, end_missing=cut) for fault in unit.faults]
    faults += terminators(text, end_missing=cut).faults
    found = [Finding(0, fault.position, fault.position + fault.length, fault.message) for fault in faults]
    found += identifier_findings(text, lexicon, end_missing=cut)
    return sorted(found, key=lambda finding: finding.start)

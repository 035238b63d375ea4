"""Everything that is wrong with a text, in the order of the text."""

from seqforge.interfaces import Finding
from seqforge_code_structure.brackets import begins_inside
from seqforge_code_structure.identifiers.analysis import identifier_findings
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.indentation import indentation
from seqforge_code_structure.metrics.findings import findings
from seqforge_code_structure.terminators import terminators
from seqforge_code_structure.units import split


def all_findings(text: str, lexicon: Lexicon | None, *, cut: bool) -> list[Finding]:
    """Find faults of brackets, of comments and literals, of indentation, and of identifiers.

    Args:
        text: C, or what should be C.
        lexicon: What a training text tells of names; without one, no name is undefined.
        cut: Whether the text was cut at its end, and perhaps at its beginning.
    """
    headless = cut and begins_inside(text)
    faults = [fault for unit in split(text, beginning_missing=headless, end_missing=cut) for fault in unit.faults]
    faults += terminators(text, end_missing=cut).faults
    faults += indentation(text).faults
    found = findings(0, faults)
    found += identifier_findings(text, lexicon, beginning_missing=headless, end_missing=cut)
    once: dict[tuple[int, str], Finding] = {}
    for finding in found:
        # What is too deep is so for its brackets and for its names.
        once.setdefault((finding.start, finding.message), finding)
    return sorted(once.values(), key=lambda finding: finding.start)

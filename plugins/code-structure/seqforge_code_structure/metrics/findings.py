"""Faults of one text as findings among several texts."""

from collections.abc import Iterable

from seqforge.interfaces import Finding
from seqforge_code_structure.fault import Fault


def findings(text: int, faults: Iterable[Fault]) -> list[Finding]:
    """Say of faults in which text they are.

    Args:
        text: Which of the texts, from 0.
        faults: Of that text.
    """
    return [Finding(text, fault.position, fault.position + fault.length, fault.message) for fault in faults]

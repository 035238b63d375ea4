"""Whether the brackets of a text balance."""

import re

from seqforge_code_structure.units import split

_INSIDE = re.compile(r"(?:[ \t\r\f]*+\n)*+(?:[ \t]++[^\s]|[)\]}])")


def balanced(text: str) -> bool:
    """Tell whether every bracket of a complete text closes or is closed, under both assignments of its conditions.

    Args:
        text: C, or what should be C. One that nests too deep to be analysed does not balance.
    """
    return not any(unit.fault_count or unit.too_deep for unit in split(text))


def balanced_prefix(text: str, *, beginning_missing: bool = False) -> bool:
    """Tell whether the brackets of a text that was cut at its end are right as far as it goes.

    Args:
        text: C, or what should be C.
        beginning_missing: Whether it may begin in the middle of a unit.
    """
    units = split(text, beginning_missing=beginning_missing, end_missing=True)
    return not any(unit.fault_count or unit.too_deep for unit in units)


def begins_inside(text: str) -> bool:
    """Guess whether a text begins in the middle of a unit: its first line is indented, or closes a bracket.

    Args:
        text: C, or what should be C.
    """
    return _INSIDE.match(text) is not None

"""A part of a whole."""


def share(part: int, whole: int) -> float:
    """Divide; 0 of 0 is 0.

    Args:
        part: How many of them.
        whole: Of how many.
    """
    return part / whole if whole else 0.0

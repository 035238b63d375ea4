"""Errors in the structure of a text, and the limits of its analysis."""

from typing import NamedTuple

DEEPEST_NESTING = 256
"""Largest depth of nested brackets, or of nested `#if`, that is analyzed: clang's own limit (`-fbracket-depth`)."""

MOST_DEFECTS = 1_000
"""Largest number of defects that are listed for one unit or one text. All further ones are only counted."""

TOO_DEEP = f"not analyzed: nested deeper than {DEEPEST_NESTING}"


class Defect(NamedTuple):
    """An error in the structure of a text.

    Attributes:
        position: Position of its first character.
        message: Description of the error.
        length: Number of characters that the error covers.
        rule: Name of its rule, a key of `RULES`.
    """

    position: int
    message: str
    length: int = 1
    rule: str = "bracket"

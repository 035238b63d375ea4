"""One place in a text where its structure is wrong."""

from typing import NamedTuple


class Fault(NamedTuple):
    """One place in a text where its structure is wrong.

    Attributes:
        position: Its first character.
        message: What is wrong there.
        length: Characters that are pointed at.
    """

    position: int
    message: str
    length: int = 1

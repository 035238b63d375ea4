"""Pairs of brackets in C, outside of comments and literals."""

from typing import NamedTuple

from seqforge_code_structure.brackets import OPENER
from seqforge_code_structure.labels import Class, label_characters

CLOSING = ")]}"
_TEXT = frozenset({Class.COMMENT, Class.STRING, Class.PREPROCESSOR})


class Pair(NamedTuple):
    """A closing bracket, and the innermost bracket that is open before it.

    Attributes:
        opening: Position of the opening bracket.
        closing: Position of the closing bracket.
        matches: Whether the two are of one kind.
    """

    opening: int
    closing: int
    matches: bool = True

    @property
    def distance(self) -> int:
        """Number of characters from the opening to the closing bracket."""
        return self.closing - self.opening


def find_pairs(text: str) -> list[Pair]:
    """Return each closing bracket of a text with the innermost bracket that is open before it, of any kind.

    A closing bracket without an opening one, or with one of another kind, closes all brackets, since the text may begin
    inside some.
    """
    pairs: list[Pair] = []
    stack: list[int] = []
    for position, (character, label) in enumerate(zip(text, label_characters(text).tolist(), strict=True)):
        if label in _TEXT:
            continue
        if character in "([{":
            stack.append(position)
        elif character in CLOSING and stack:
            opening = stack.pop()
            matches = text[opening] == OPENER[character]
            pairs.append(Pair(opening, position, matches))
            if not matches:
                stack.clear()
    return pairs

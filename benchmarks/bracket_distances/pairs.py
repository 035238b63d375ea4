"""Pairs of brackets in C, outside of comments and literals."""

from typing import NamedTuple

from seqforge_code_structure.brackets import OPENER
from seqforge_code_structure.labels import Class, label_characters

CLOSING = ")]}"
_TEXT = frozenset({Class.COMMENT, Class.STRING, Class.PREPROCESSOR})


class Pair(NamedTuple):
    """A bracket and its match.

    Attributes:
        opening: Position of the opening bracket.
        closing: Position of the closing bracket.
    """

    opening: int
    closing: int

    @property
    def distance(self) -> int:
        """Number of characters from the opening to the closing bracket."""
        return self.closing - self.opening


def find_pairs(text: str) -> list[Pair]:
    """Return the pairs of brackets in a text, in the order of their closing brackets.

    A closing bracket without a match, or with a wrong one, closes all brackets, since the text may begin inside some.
    """
    pairs: list[Pair] = []
    stack: list[int] = []
    for position, (character, label) in enumerate(zip(text, label_characters(text).tolist(), strict=True)):
        if label in _TEXT:
            continue
        if character in "([{":
            stack.append(position)
        elif character in CLOSING:
            if stack and text[stack[-1]] == OPENER[character]:
                pairs.append(Pair(stack.pop(), position))
            else:
                stack.clear()
    return pairs

"""The metric `memorization`: how much of a text is copied from the training text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqforge.kinds import Finding, IndexedMetric, Score
from seqforge_essentials.text_index import TextIndex, open_index, write_index

_LIMIT = 200_000
"""Largest number of characters to search for in all texts together, which bounds the time."""


@dataclass
class Memorization(IndexedMetric):
    """Verbatim matches with the training text, of any length and place.

    A character that repeats the one before it does not add to the length of a match, since a row of spaces or stars is
    no copy. Real text also has matches, such as licenses and idioms, so compare the values with their baseline. The
    metric keeps an index of the training text in the cache, of about 5 times its size.
    """

    length: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="Smallest length of a match that counts as copied. A run of one character counts once.",
        ),
    ] = 50
    _index: TextIndex = field(default=TextIndex(()), init=False, repr=False)

    def write_index(self, documents: Iterator[str], folder: Path) -> None:
        """Write the suffix arrays of the training text."""
        write_index(documents, folder)

    def open_index(self, folder: Path) -> None:
        """Map the suffix arrays into memory."""
        self._index = open_index(folder)

    def score(self, texts: Sequence[str]) -> Score:
        """Search for each text in the training text, which counts as one text without borders of documents.

        Only the first 200,000 characters of all texts are searched for.

        Returns:
            `longest`, the length of the longest match in all texts, without repetitions; `mean_longest`, its mean over
            the texts; and `copied`, the share of characters inside matches of at least `length` characters.
        """
        longest: list[int] = []
        findings: list[Finding] = []
        characters, remaining = 0, _LIMIT
        for number, text in enumerate(texts):
            searched = text[:remaining]
            remaining -= len(searched)
            if not searched:
                continue
            lengths = self._index.match_lengths(searched)
            counted = count_without_repetitions(searched, lengths).tolist()
            longest.append(max(counted))
            characters += len(searched)
            for copy in find_copies(lengths.tolist(), counted, self.length):
                message = f"copied from the training text (longest match: {copy.longest:,} characters)"
                findings.append(Finding(number, copy.start, copy.stop, message, "warning"))
        copied = sum(finding.stop - finding.start for finding in findings)
        values = {
            "longest": float(max(longest, default=0)),
            "mean_longest": sum(longest) / len(longest) if longest else 0.0,
            "copied": copied / characters if characters else 0.0,
        }
        return Score(values, tuple(findings), {"mean_longest": len(longest), "copied": characters})


class Copy(NamedTuple):
    """A part of a text that consists of matches with the training text, which may overlap.

    Attributes:
        start: Index of its first character.
        stop: Index after its last character.
        longest: Length of its longest match, without repetitions.
    """

    start: int
    stop: int
    longest: int


def count_without_repetitions(text: str, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of characters of each match that differ from the character before them in the match.

    Args:
        text: The text.
        lengths: Length of the longest match that begins at each character of the text.
    """
    codes = np.array([ord(character) for character in text])
    changes = np.concatenate([[0], np.cumsum(codes[1:] != codes[:-1])])
    places = np.arange(len(text))
    return np.where(lengths > 0, 1 + changes[np.maximum(places + lengths - 1, 0)] - changes, 0)


def find_copies(lengths: Sequence[int], counted: Sequence[int], least: int) -> list[Copy]:
    """Find the parts of a text that consist of matches of at least `least` characters.

    Args:
        lengths: Length of the longest match that begins at each character of the text.
        counted: Length of the same match as it counts.
        least: Smallest length of a match that counts.
    """
    copies: list[Copy] = []
    for start, (length, size) in enumerate(zip(lengths, counted, strict=True)):
        if size < least:
            continue
        if copies and start <= copies[-1].stop:
            last = copies.pop()
            copies.append(Copy(last.start, max(last.stop, start + length), max(last.longest, size)))
        else:
            copies.append(Copy(start, start + length, size))
    return copies

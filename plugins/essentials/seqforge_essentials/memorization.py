"""The metric `memorization`: how much of a text is copied from the training text, of which it has an index in files.

The training text is divided into overlapping pieces, each with its suffix array (Manber and Myers 1993): the positions
of all its suffixes in alphabetical order. A binary search finds the suffix that has the longest prefix in common with a
given text. The pieces bound the memory while the index is built. The files are mapped into memory, so a search reads
only the pages that it needs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydivsufsort import divsufsort  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from seqforge.kinds import Finding, FittedMetric, Quantity, Score

PIECE = 64 << 20
"""Size of a piece in bytes. While its suffixes are sorted, it needs 5 times as much memory."""

OVERLAP = 64 << 10
"""Number of bytes that a piece shares with the next one. Matches of at most this length are exact."""

_WINDOW = 32
"""Number of bytes that are compared at once."""

_AFTER_TEXT, _AFTER_QUERY = 0xFF, 0xFE
"""Bytes that never occur in UTF-8. They differ, so that no match reaches beyond the end of a text."""

_QUERIES = 16_384
"""Number of searches at once, which bounds the memory."""


def encode(text: str) -> bytes:
    """Return a text in UTF-8. Lone surrogates, which are not valid, are encoded too."""
    return text.encode("utf-8", "surrogatepass")


def _write_piece(content: bytearray, folder: Path, number: int) -> None:
    text = np.frombuffer(content, dtype=np.uint8)
    np.concatenate([text, np.full(_WINDOW, _AFTER_TEXT, dtype=np.uint8)]).tofile(folder / f"{number:04d}.text")
    suffixes = cast("NDArray[np.int32]", divsufsort(text))
    suffixes.tofile(folder / f"{number:04d}.suffixes")


class Piece(NamedTuple):
    """A piece of the text, followed by `_WINDOW` bytes, and the positions of its suffixes in alphabetical order."""

    text: NDArray[np.uint8]
    suffixes: NDArray[np.int32]


def find_match_lengths(pieces: Sequence[Piece], text: str) -> NDArray[np.int64]:
    """Return the length of the longest match that begins at each character of a text, in characters."""
    content = np.frombuffer(encode(text), dtype=np.uint8)
    # The first byte of a character is the only one that does not begin with the bits 10.
    begins = np.flatnonzero(content & 0xC0 != 0x80)
    query = np.concatenate([content, np.full(_WINDOW, _AFTER_QUERY, dtype=np.uint8)])
    ends = begins
    for piece in pieces:
        ends = np.maximum(ends, _find_ends(piece, query, begins))
    # A match can end inside a character, which then does not count.
    characters = np.searchsorted(np.append(begins, len(content)), ends, side="right") - 1
    return characters - np.arange(len(begins))


def _find_ends(piece: Piece, query: NDArray[np.uint8], begins: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the longest match that begins at each of some ascending positions of the query ends.

    The ends ascend, too. If those of two positions are equal, so are those of all positions between, which then need no
    search. In a long copy, nearly every search would be long.
    """
    count = len(begins)
    # With a place before the query, and the one after its last character.
    places = np.concatenate([[-1], begins, [len(query) - _WINDOW]])
    ends = places.copy()
    step = 1 << count.bit_length()
    while step > 1:
        middle = np.arange(step // 2, count + 1, step)
        ends[middle] = ends[middle - step // 2]
        searched = middle[ends[middle] != ends[np.minimum(middle + step // 2, count + 1)]]
        for start in range(0, len(searched), _QUERIES):
            part = searched[start : start + _QUERIES]
            ends[part] = places[part] + _search(piece, query, places[part])
        step //= 2
    return ends[1:-1]


def _search(piece: Piece, query: NDArray[np.uint8], begins: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of bytes of the longest match of the query from each of some positions on."""
    low = np.zeros(len(begins), dtype=np.int64)
    high = np.full(len(begins), len(piece.suffixes))
    longest = np.zeros(len(begins), dtype=np.int64)
    # The binary search for the place of the query among the suffixes compares it with both neighbors of this place,
    # one of which has the longest common prefix.
    searching = np.flatnonzero(low < high)
    while len(searching):
        middle = (low[searching] + high[searching]) // 2
        common, precedes = _compare(piece, piece.suffixes[middle].astype(np.int64), query, begins[searching])
        longest[searching] = np.maximum(longest[searching], common)
        low[searching] = np.where(precedes, middle + 1, low[searching])
        high[searching] = np.where(precedes, high[searching], middle)
        searching = searching[low[searching] < high[searching]]
    return longest


def _compare(
    piece: Piece, suffixes: NDArray[np.int64], query: NDArray[np.uint8], begins: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Compare suffixes of a piece with the query from some positions on.

    Returns:
        Length of the common prefix of each pair, and whether the suffix precedes the query in alphabetical order.
    """
    texts = np.lib.stride_tricks.sliding_window_view(piece.text, _WINDOW)
    queries = np.lib.stride_tricks.sliding_window_view(query, _WINDOW)
    common = np.zeros(len(suffixes), dtype=np.int64)
    equal = np.arange(len(suffixes))
    while len(equal):
        differs = texts[suffixes[equal] + common[equal]] != queries[begins[equal] + common[equal]]
        first = differs.argmax(axis=1)
        whole = ~differs[np.arange(len(equal)), first]
        common[equal] += np.where(whole, _WINDOW, first)
        equal = equal[whole]
    ended = suffixes + common == len(piece.suffixes)
    return common, ended | (piece.text[suffixes + common] < query[begins + common])


_LIMIT = 200_000
"""Largest number of characters to search for in all texts together, which bounds the time."""


@dataclass
class Memorization(FittedMetric):
    """Verbatim matches with the training text, of any length and place.

    A character that repeats the one before it does not add to the length of a match, since a row of spaces or stars is
    no copy. Real text also has matches, such as licenses and idioms, so compare the values with their baseline. The
    metric keeps an index of the training text in the cache, of about 5 times its size.
    """

    quantities: ClassVar[Mapping[str, Quantity]] = {
        "copied": Quantity("characters in copies", "share", "less", "{} of the characters are copies of training text"),
        "longest": Quantity(
            "characters of the longest copy", "number", "less", "the longest copy has {} characters", is_detail=True
        ),
        "mean_longest": Quantity(
            "characters of the longest copy of a text, on average",
            "number",
            "less",
            "the longest copy in a text has {} characters on average",
            is_detail=True,
        ),
    }
    length: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="Smallest length of a match that counts as copied. A run of one character counts once.",
        ),
    ] = 50
    _pieces: Sequence[Piece] = field(default=(), init=False, repr=False)

    def fit(self, documents: Iterator[str], folder: Path) -> None:
        """Write the suffix arrays of the training text, the concatenation of the documents."""
        rest, number = bytearray(), 0
        for document in documents:
            rest += encode(document)
            while len(rest) >= PIECE:
                _write_piece(rest[:PIECE], folder, number)
                del rest[: PIECE - OVERLAP]
                number += 1
        if rest:
            _write_piece(rest, folder, number)

    def restore(self, folder: Path) -> None:
        """Map the suffix arrays into memory."""
        self._pieces = [
            Piece(
                np.memmap(path, dtype=np.uint8, mode="r"),
                np.memmap(path.with_suffix(".suffixes"), dtype=np.int32, mode="r"),
            )
            for path in sorted(folder.glob("*.text"))
        ]

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
            lengths = find_match_lengths(self._pieces, searched)
            counted = count_without_repetitions(searched, lengths).tolist()
            longest.append(max(counted))
            characters += len(searched)
            for start, stop, longest_match in find_copies(lengths.tolist(), counted, self.length):
                message = f"copied from the training text (longest match: {longest_match:,} characters)"
                findings.append(Finding(number, start, stop, message, "warning"))
        copied = sum(finding.stop - finding.start for finding in findings)
        values = {
            "longest": float(max(longest, default=0)),
            "mean_longest": sum(longest) / len(longest) if longest else 0.0,
            "copied": copied / characters if characters else 0.0,
        }
        return Score(values, tuple(findings), {"mean_longest": len(longest), "copied": characters})


def count_without_repetitions(text: str, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of characters of each match that differ from the character before them in the match.

    The lengths are those of the longest match that begins at each character of the text.
    """
    codes = np.array([ord(character) for character in text])
    changes = np.concatenate([[0], np.cumsum(codes[1:] != codes[:-1])])
    places = np.arange(len(text))
    return np.where(lengths > 0, 1 + changes[np.maximum(places + lengths - 1, 0)] - changes, 0)


def find_copies(lengths: Sequence[int], counted: Sequence[int], least: int) -> list[tuple[int, int, int]]:
    """Find the parts of a text that consist of matches of at least `least` characters.

    Args:
        lengths: Length of the longest match that begins at each character of the text.
        counted: Length of the same match as it counts.
        least: Smallest length of a match that counts.

    Returns:
        The start and the stop of each part, and the length of its longest match as it counts.
    """
    copies: list[tuple[int, int, int]] = []
    for start, (length, size) in enumerate(zip(lengths, counted, strict=True)):
        if size < least:
            continue
        begin, stop, longest = copies.pop() if copies and start <= copies[-1][1] else (start, start, size)
        copies.append((begin, max(stop, start + length), max(longest, size)))
    return copies

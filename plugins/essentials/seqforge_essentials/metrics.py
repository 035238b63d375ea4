"""Metrics of generated text that need no knowledge of its language."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Literal

from pydantic import Field

from seqforge.interfaces import Metric, Score

_LIMIT = 200_000
"""Words or characters that are counted in all texts together, which bounds time and memory."""


class Distinct(Metric):
    """Distinct-n: the number of different n-grams of words or characters, divided by the number of all n-grams.

    Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models". The share falls as texts
    grow longer, so compare samples of the same length.
    """

    def __init__(
        self,
        lengths: Annotated[
            tuple[Annotated[int, Field(ge=1, le=32)], ...],
            Field(min_length=1, max_length=8, description="Values of n; each produces a figure `distinct_n`."),
        ] = (1, 2, 3),
        unit: Annotated[
            Literal["words", "characters"], Field(description="Unit of the n-grams; white space separates words.")
        ] = "words",
    ) -> None:
        self._lengths = lengths
        self._unit = unit

    def score(self, texts: Sequence[str]) -> Score:
        """Return a share from 0 to 1 for each n, over all texts together; 0 if there is no n-gram.

        No n-gram spans two texts. Only the first 200,000 words or characters are counted.
        """
        parts = list(self._limited(texts))
        return Score({f"distinct_{length}": _distinct_share(parts, length) for length in self._lengths})

    def _limited(self, texts: Sequence[str]) -> Iterator[tuple[str, ...]]:
        left = _LIMIT
        for text in texts:
            units = text if self._unit == "characters" else (match.group() for match in re.finditer(r"\S+", text))
            part = tuple(islice(units, left))
            left -= len(part)
            yield part


def _distinct_share(parts: Sequence[tuple[str, ...]], length: int) -> float:
    ngrams: set[tuple[str, ...]] = set()
    total = 0
    for part in parts:
        ngrams.update(zip(*(part[start:] for start in range(length)), strict=False))
        total += max(0, len(part) - length + 1)
    return len(ngrams) / total if total else 0.0

"""Metrics of generated text in any language."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from seqforge.kinds import Metric, Quantity, Score

_LIMIT = 200_000
"""Largest number of words or characters to count in all texts together, which bounds time and memory."""


@dataclass(frozen=True)
class Distinct(Metric):
    """Distinct-n: the number of different n-grams of words or characters, divided by the number of all n-grams.

    Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models", which divides by the
    number of words. The value falls as texts grow longer, so compare only samples of the same length.
    """

    quantities: ClassVar[Mapping[str, Quantity]] = {
        "distinct_*": Quantity(
            "different n-grams of length *", "share", "more", "{} of the n-grams of length * are different"
        ),
    }
    lengths: Annotated[
        tuple[Annotated[int, Field(ge=1, le=32)], ...],
        Field(min_length=1, max_length=8, description="Values of n; each gives a figure `distinct_n`."),
    ] = (1, 2, 3)
    unit: Annotated[
        Literal["words", "characters"], Field(description="Unit of the n-grams; white space separates words.")
    ] = "words"

    def score(self, texts: Sequence[str]) -> Score:
        """Return the share, from 0 to 1, for each n, over all texts together, or 0 if there is no n-gram.

        No n-gram spans two texts. Only the first 200,000 words or characters are counted.
        """
        parts = list(self._split(texts))
        return Score({f"distinct_{length}": _compute_distinct_share(parts, length) for length in self.lengths})

    def _split(self, texts: Sequence[str]) -> Iterator[tuple[str, ...]]:
        remaining = _LIMIT
        for text in texts:
            units = text if self.unit == "characters" else (match.group() for match in re.finditer(r"\S+", text))
            part = tuple(islice(units, remaining))
            remaining -= len(part)
            yield part


def _compute_distinct_share(parts: Sequence[tuple[str, ...]], length: int) -> float:
    ngrams: set[tuple[str, ...]] = set()
    total = 0
    for part in parts:
        ngrams.update(zip(*(part[start:] for start in range(length)), strict=False))
        total += max(0, len(part) - length + 1)
    return len(ngrams) / total if total else 0.0

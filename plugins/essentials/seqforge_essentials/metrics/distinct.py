"""How little a text repeats itself."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Literal

from pydantic import Field

from seqforge.interfaces import Metric, Score

_LIMIT = 200_000
"""Words or characters that are looked at, over all texts, so that time and memory stay bounded."""


class Distinct(Metric):
    """Distinct-n: of all runs of n words or characters in the texts, the share that are different from one another.

    Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models". Longer texts have lower
    shares by nature, so compare samples of the same length.

    Args:
        lengths: The n; each gives a figure `distinct_n`.
        unit: What a run consists of; words are what stands between spaces.
    """

    def __init__(
        self,
        lengths: Annotated[
            tuple[Annotated[int, Field(ge=1, le=32)], ...],
            Field(min_length=1, max_length=8, description="Lengths n of the runs; each gives a figure `distinct_n`."),
        ] = (1, 2, 3),
        unit: Annotated[
            Literal["words", "characters"], Field(description="What runs consist of; spaces part words.")
        ] = "words",
    ) -> None:
        self._lengths = lengths
        self._unit = unit

    def score(self, texts: Sequence[str]) -> Score:
        """Count over all texts together; no run reaches from one text into the next.

        Args:
            texts: Samples of a model, each with its prompt; the first 200,000 words or characters count.

        Returns:
            A share from 0 to 1 for each length; 0 where there is no run of that length.
        """
        parts = list(self._parts(texts))
        return Score({f"distinct_{length}": _distinct(parts, length) for length in self._lengths})

    def _parts(self, texts: Sequence[str]) -> Iterator[tuple[str, ...]]:
        left = _LIMIT
        for text in texts:
            units = text if self._unit == "characters" else (match.group() for match in re.finditer(r"\S+", text))
            part = tuple(islice(units, left))
            left -= len(part)
            yield part


def _distinct(parts: Sequence[tuple[str, ...]], length: int) -> float:
    runs: set[tuple[str, ...]] = set()
    total = 0
    for part in parts:
        runs.update(zip(*(part[start:] for start in range(length)), strict=False))
        total += max(0, len(part) - length + 1)
    return len(runs) / total if total else 0.0

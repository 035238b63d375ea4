"""The grammar of captions: "a large thin seven leaning right"."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from seqforge_tasks.corpora.measures import Measures

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Scale(NamedTuple):
    """Words for a measure.

    Attributes:
        words: From the least to the most.
        bounds: Where one word gives way to the next, ascending.
        margin: Within so much of a bound, both its words are right.
    """

    words: tuple[str, ...]
    bounds: tuple[float, ...]
    margin: float


# The bounds of size and thickness are near the medians of the data, those of slant at a tenth of a column a row. Each
# margin leaves about one image in twenty between two words.
SIZE = Scale(("small", "large"), (2.6,), 0.02)
THICKNESS = Scale(("thin", "thick"), (7.5,), 0.1)
SLANT = Scale(("leaning left", "upright", "leaning right"), (-0.1, 0.1), 0.01)


def captions(digit: int, measures: Measures) -> list[str]:
    """Say what an image shows.

    Args:
        digit: 0 to 9.
        measures: Of the image.

    Returns:
        Every caption that is right, that of the measures' own sides of all bounds first.
    """
    sizes = _words(SIZE, measures.size)
    thicknesses = _words(THICKNESS, measures.thickness)
    slants = _words(SLANT, measures.slant)
    return [
        f"a {size} {thickness} {_DIGITS[digit]} {slant}"
        for size, thickness, slant in product(sizes, thicknesses, slants)
    ]


def _words(scale: Scale, value: float) -> Sequence[str]:
    """Give the word for a value, and before or after it the one that is as right."""
    own = sum(value >= bound for bound in scale.bounds)
    near = [place + (own == place) for place, bound in enumerate(scale.bounds) if abs(value - bound) <= scale.margin]
    return [scale.words[index] for index in (own, *near)]

"""The corpus `digits`: the images of handwritten digits that scikit-learn includes, each labelled with its digit."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Annotated, Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqforge.kinds import Classes, Example, ExampleSpec, LabelledCorpus, Numbers, Text

COUNT, SIDE = 1797, 8
DESCRIPTION = f"{COUNT:,} handwritten digits of {SIDE}×{SIDE} pixels from scikit-learn"
_NAMES = tuple("0123456789")
_MEAN, _DEVIATION = 0.3, 0.375
"""Approximate mean and standard deviation of all pixels."""

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class _DigitImages(LabelledCorpus):
    def fingerprint(self) -> str:
        """Return a digest of all images and labels."""
        images, labels = load_handwriting()
        digest = hashlib.blake2b(standardize(images).tobytes(), digest_size=16)
        digest.update(labels.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Digits(_DigitImages):
    """Images of handwritten digits, each labelled with its digit.

    Pixels are standardized: (ink - 0.3) / 0.375, with ink from 0 to 1.
    """

    input: Annotated[
        Literal["pixels", "rows"],
        Field(description="All 64 pixels as one vector, or the 8 rows of 8 pixels as a sequence."),
    ] = "pixels"

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        """Return the shape: a vector of all pixels or a sequence of rows as input, and one of ten classes as target."""
        digit = Classes(_NAMES)
        if options["input"] == "pixels":
            return ExampleSpec(Numbers(SIDE * SIDE), "vector", digit, "once")
        return ExampleSpec(Numbers(SIDE), "sequence", digit, "once")

    def examples(self) -> Iterator[Example]:
        """Yield every image in the order of the data set."""
        images, labels = load_handwriting()
        shape = -1 if self.input == "pixels" else (SIDE, SIDE)
        for index, (image, label) in enumerate(zip(standardize(images), labels.tolist(), strict=True)):
            yield Example(name_example(index), image.reshape(shape), label)

    def describe(self) -> str:
        """Return the number and the origin of the images, for the user."""
        return DESCRIPTION


@cache
def load_handwriting() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Load the test set of Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits".

    Returns:
        The ink from 0 to 1, `[image, row, column]` with rows from top to bottom, and the digits, `[image]`.
    """
    # Imported here, because it takes a second and is not needed to check an experiment.
    from sklearn import datasets  # pyright: ignore[reportMissingTypeStubs]

    digits: Any = cast("Any", datasets).load_digits()
    # A pixel is the number of black points in a 4×4 block of a larger bitmap.
    return (digits.images / 16).astype(np.float32), digits.target.astype(np.int64)


def standardize(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images with a mean near 0 and a standard deviation near 1 (LeCun et al. 1998, "Efficient BackProp")."""
    return (images - np.float32(_MEAN)) / np.float32(_DEVIATION)


def name_example(index: int) -> str:
    """Return the name of the image at an index of the data set."""
    return f"digit-{index:04}"


class Scale(NamedTuple):
    """The words for the values of a measure.

    Attributes:
        words: Words in the order of ascending values.
        bounds: Values between neighboring words, ascending.
        margin: Distance from a bound within which both words are correct.
    """

    words: tuple[str, ...]
    bounds: tuple[float, ...]
    margin: float


# The bounds of size and thickness are near the medians of the data. The bounds of the slant are a tenth of a column per
# row. For each measure, about one image in twenty is within the margin of a bound.
SIZE = Scale(("small", "large"), (2.6,), 0.02)
THICKNESS = Scale(("thin", "thick"), (7.5,), 0.1)
SLANT = Scale(("leaning left", "upright", "leaning right"), (-0.1, 0.1), 0.01)


class DigitCaptions(_DigitImages):
    """Handwritten digits, each with a caption of its size, thickness, digit and slant.

    If a measure is within the margin of a bound between two words, captions with either word are correct.
    """

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        """Return the shape: a vector of all pixels as input, and a text as target."""
        return ExampleSpec(Numbers(SIDE * SIDE), "vector", Text(), "sequence")

    def examples(self) -> Iterator[Example]:
        """Yield every image in the order of the data set."""
        images, labels = load_handwriting()
        for index, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
            first, *others = write_captions(label, measure(image))
            yield Example(name_example(index), standardize(image).reshape(-1), first, tuple(others))

    def describe(self) -> str:
        """Return the number and the origin of the images, for the user."""
        return f"{DESCRIPTION}, with captions from measurements"


class Measures(NamedTuple):
    """The measures of one image, computed from moments of its ink, to which every pixel contributes.

    Attributes:
        size: Radius of gyration in pixels: the root mean square distance of the ink from its center.
        thickness: Ink divided by size, in pixels. The width of a stroke is its area divided by its length, and the
            length is proportional to the size.
        slant: Shift of the ink to the right, in columns per row upwards (Castro et al. 2019, "Morpho-MNIST").
    """

    size: float
    thickness: float
    slant: float


def measure(image: NDArray[np.float32]) -> Measures:
    """Measure an image `[row, column]` with ink from 0 to 1, not all 0, and rows from top to bottom."""
    # In float64, results of different machines differ only in the last bits.
    weights = image.astype(np.float64) / image.sum(dtype=np.float64)
    rows, columns = np.indices(image.shape, dtype=np.float64)
    rows -= (weights * rows).sum()
    columns -= (weights * columns).sum()
    height, width, shear = (weights * rows**2).sum(), (weights * columns**2).sum(), (weights * rows * columns).sum()
    size = float(np.sqrt(height + width))
    # The slant of ink in a single row is undefined, and 0 by convention.
    slant = float(-shear / height) if height > 0 else 0.0
    return Measures(size, float(image.sum(dtype=np.float64)) / size if size > 0 else 0.0, slant)


def write_captions(digit: int, measures: Measures) -> list[str]:
    """Return every correct caption of an image. The first one ignores the margins."""
    sizes = _choose_words(SIZE, measures.size)
    thicknesses = _choose_words(THICKNESS, measures.thickness)
    slants = _choose_words(SLANT, measures.slant)
    return [
        f"a {size} {thickness} {_DIGITS[digit]} {slant}"
        for size, thickness, slant in product(sizes, thicknesses, slants)
    ]


def _choose_words(scale: Scale, value: float) -> Sequence[str]:
    """Return the word for a value, then the words beyond every bound that is within the margin."""
    own = sum(value >= bound for bound in scale.bounds)
    # The bound with an index is between the words with that index and the next.
    near = [index + (own == index) for index, bound in enumerate(scale.bounds) if abs(value - bound) <= scale.margin]
    return [scale.words[index] for index in (own, *near)]

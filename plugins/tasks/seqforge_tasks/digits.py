"""The corpus `digits`: the images of handwritten digits that scikit-learn includes, each labelled with its digit."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqforge.kinds import Classes, Example, ExampleSpec, LabelledCorpus, Numbers

COUNT, SIDE = 1797, 8
DESCRIPTION = f"{COUNT:,} handwritten digits of {SIDE}×{SIDE} pixels from scikit-learn"
_NAMES = tuple("0123456789")
_MEAN, _DEVIATION = 0.3, 0.375
"""Approximate mean and standard deviation of all pixels."""


@dataclass(frozen=True)
class Digits(LabelledCorpus):
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

    def fingerprint(self) -> str:
        """Return a digest of the images and the option."""
        return digest_images("digits", self.input)

    def describe(self) -> str:
        """Return the number and the origin of the images, for the user."""
        return DESCRIPTION


class Handwriting(NamedTuple):
    """All images and their labels.

    Attributes:
        images: Ink from 0 to 1, `[image, row, column]`, rows from top to bottom.
        labels: Digits, `[image]`.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


@cache
def load_handwriting() -> Handwriting:
    """Load the test set of Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits"."""
    # Imported here, because it takes a second and is not needed to check an experiment.
    from sklearn import datasets  # pyright: ignore[reportMissingTypeStubs]

    digits: Any = cast("Any", datasets).load_digits()
    # A pixel is the number of black points in a 4×4 block of a larger bitmap.
    return Handwriting((digits.images / 16).astype(np.float32), digits.target.astype(np.int64))


def standardize(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images with a mean near 0 and a standard deviation near 1 (LeCun et al. 1998, "Efficient BackProp")."""
    return (images - np.float32(_MEAN)) / np.float32(_DEVIATION)


def name_example(index: int) -> str:
    """Return the name of the image at an index of the data set."""
    return f"digit-{index:04}"


def digest_images(*options: str) -> str:
    """Return a digest of all images and labels, and of the options that affect the examples."""
    images, labels = load_handwriting()
    digest = hashlib.blake2b(standardize(images).tobytes(), digest_size=16)
    digest.update(labels.tobytes())
    digest.update("\0".join(options).encode())
    return digest.hexdigest()

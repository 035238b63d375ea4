"""The handwritten digits that scikit-learn ships."""

import hashlib
from functools import cache
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

COUNT, SIDE = 1797, 8
DESCRIPTION = f"{COUNT:,} handwritten digits of {SIDE}×{SIDE} pixels, which come with scikit-learn"
NAMES = tuple("0123456789")
_MEAN, _DEVIATION = 0.3, 0.375
"""Of all pixels of all images, about."""


class Handwriting(NamedTuple):
    """Every image, with what it shows.

    Attributes:
        images: Ink from 0 to 1, `[image, row, column]`; rows from top to bottom.
        labels: The digits, `[image]`.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


@cache
def handwriting() -> Handwriting:
    """Read the digits: Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits", the test set."""
    # Imported here, since it takes a second, and an experiment is checked without it.
    from sklearn import datasets  # pyright: ignore[reportMissingTypeStubs]

    found: Any = cast("Any", datasets).load_digits()
    # A pixel counts the set points among the 4×4 of a larger bitmap.
    return Handwriting((found.images / 16).astype(np.float32), found.target.astype(np.int64))


def standardized(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shift and scale ink to a mean near 0 and a deviation near 1, as networks like it (LeCun et al. 1998).

    Args:
        images: Ink from 0 to 1, of any shape.
    """
    return (images - np.float32(_MEAN)) / np.float32(_DEVIATION)


def example_name(index: int) -> str:
    """Name an image.

    Args:
        index: Its place among all.
    """
    return f"digit-{index:04}"


def fingerprint(*options: str) -> str:
    """Digest all images, as they are read, and some options.

    Args:
        options: What else decides the examples.
    """
    images, labels = handwriting()
    digest = hashlib.blake2b(standardized(images).tobytes(), digest_size=16)
    digest.update(labels.tobytes())
    digest.update("\0".join(options).encode())
    return digest.hexdigest()

"""What is measured of a handwritten digit: its size, the thickness of its strokes and its slant."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Measures(NamedTuple):
    """Measures of one image, all from moments of its ink, so that no pixel alone decides one.

    Attributes:
        size: Radius of gyration, in pixels: the root mean square distance of the ink from its centre.
        thickness: Ink by size, in pixels: a stroke is as wide as its area by its length, which goes with the size.
        slant: Columns to the right that ink moves for each row upwards (Castro et al. 2019, "Morpho-MNIST").
    """

    size: float
    thickness: float
    slant: float


def measure(image: NDArray[np.float32]) -> Measures:
    """Measure an image.

    Args:
        image: Ink from 0 to 1, `[row, column]`, rows from top to bottom; of which some is not 0.
    """
    # In float64, so that a measure comes to the same on every machine but for its last bits.
    weights = image.astype(np.float64) / image.sum(dtype=np.float64)
    rows, columns = np.indices(image.shape, dtype=np.float64)
    rows -= (weights * rows).sum()
    columns -= (weights * columns).sum()
    height, width, shear = (weights * rows**2).sum(), (weights * columns**2).sum(), (weights * rows * columns).sum()
    size = float(np.sqrt(height + width))
    # Of ink in a single row nothing moves from row to row.
    slant = float(-shear / height) if height > 0 else 0.0
    return Measures(size, float(image.sum(dtype=np.float64)) / size if size > 0 else 0.0, slant)

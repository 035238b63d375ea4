"""The corpus `digits`: images, labels, and the two kinds of input."""

from itertools import islice

import numpy as np
from seqforge_tasks.digits import Digits, load_handwriting, standardize

IMAGES, LABELS = load_handwriting()


def test_every_image_is_one_example():
    examples = list(Digits().examples())
    assert len(examples) == len({example.name for example in examples}) == 1797
    np.testing.assert_array_equal([example.target for example in examples], LABELS)
    assert {example.split for example in examples} == {None}


def test_pixels_and_rows_contain_the_same_image():
    for pixels, rows, image in islice(zip(Digits().examples(), Digits("rows").examples(), IMAGES, strict=True), 50):
        np.testing.assert_array_equal(rows.input, standardize(image))
        np.testing.assert_array_equal(pixels.input, standardize(image).ravel())
        assert (pixels.name, pixels.target) == (rows.name, rows.target)


def test_ink_is_from_0_to_1_and_pixels_are_standardized():
    assert IMAGES.min() == 0
    assert IMAGES.max() == 1
    assert abs(standardize(IMAGES).mean()) < 0.05
    assert abs(standardize(IMAGES).std() - 1) < 0.05

"""The digits: what is read is the image, however it is read."""

from itertools import islice

import numpy as np
from seqforge_tasks.digits import Digits, load_handwriting, standardize

from seqforge.interfaces import Numbers

IMAGES, LABELS = load_handwriting()


def test_every_image_comes_once():
    examples = list(Digits().examples())
    assert len(examples) == len({example.name for example in examples}) == 1797
    np.testing.assert_array_equal([example.target for example in examples], LABELS)
    assert {example.split for example in examples} == {None}


def test_both_ways_of_reading_give_the_image():
    for pixels, rows, image in islice(zip(Digits().examples(), Digits("rows").examples(), IMAGES, strict=True), 50):
        np.testing.assert_array_equal(rows.input, standardize(image))
        np.testing.assert_array_equal(pixels.input, standardize(image).ravel())
        assert (pixels.name, pixels.target) == (rows.name, rows.target)


def test_ink_is_from_0_to_1():
    assert IMAGES.min() == 0
    assert IMAGES.max() == 1
    assert abs(standardize(IMAGES).mean()) < 0.05
    assert abs(standardize(IMAGES).std() - 1) < 0.05


def test_a_shape_is_as_the_form_says():
    for read, shape in (("pixels", (64,)), ("rows", (8, 8))):
        spec = Digits.example_spec({"read": read})
        assert isinstance(spec.input, Numbers)
        assert spec.input.size == shape[-1]
        assert next(Digits(read).examples()).input.shape == shape


def test_fingerprints_tell_apart_what_is_read():
    assert Digits().fingerprint() == Digits().fingerprint() != Digits("rows").fingerprint()

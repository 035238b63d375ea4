"""The corpus `digit-captions`: measures, and captions from them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_tasks.digits import (
    SIZE,
    SLANT,
    THICKNESS,
    DigitCaptions,
    Measures,
    load_handwriting,
    measure,
    standardize,
    write_captions,
)

EXAMPLES = list(DigitCaptions().examples())
SCALES = {"size": SIZE, "thickness": THICKNESS, "slant": SLANT}


def image_of(*points: tuple[int, int]) -> np.ndarray:
    image = np.zeros((8, 8), dtype=np.float32)
    for row, column in points:
        image[row, column] = 1
    return image


def test_measures_computed_by_hand():
    # Three points on a diagonal, one column to the right per row downwards: the ink leans left.
    measures = measure(image_of((2, 2), (3, 3), (4, 4)))
    size = (2 / 3 + 2 / 3) ** 0.5
    assert measures == pytest.approx(Measures(size, 3 / size, -1.0))


def test_mirroring_negates_the_slant_and_translation_changes_nothing():
    image = load_handwriting()[0][7]
    measures = measure(image)
    mirrored = measure(np.ascontiguousarray(image[:, ::-1]))
    assert mirrored == pytest.approx(measures._replace(slant=-measures.slant))
    moved = measure(np.pad(image, ((3, 0), (0, 5))))
    assert moved == pytest.approx(measures)


@pytest.mark.parametrize("image", [image_of((3, 3)), image_of((3, 2), (3, 3), (3, 4))])
def test_a_point_and_a_row_have_no_slant(image: np.ndarray):
    assert measure(image).slant == 0


def word_without_margin(scale, value):
    return scale.words[np.searchsorted(scale.bounds, value, side="right")]


@given(
    st.integers(0, 9),
    st.builds(Measures, st.floats(2, 3.2), st.floats(5, 12), st.floats(-0.4, 0.4)),
)
def test_correct_captions_are_those_within_the_margins(digit: int, measures: Measures):
    correct = write_captions(digit, measures)
    assert len(set(correct)) == len(correct)
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    expected = [word_without_margin(scale, getattr(measures, name)) for name, scale in SCALES.items()]
    assert correct[0] == f"a {expected[0]} {expected[1]} {words[digit]} {expected[2]}"
    near_bounds = sum(
        abs(getattr(measures, name) - bound) <= scale.margin for name, scale in SCALES.items() for bound in scale.bounds
    )
    assert len(correct) == 2**near_bounds


def test_both_words_are_correct_only_near_a_bound():
    clear = Measures(2.4, 8.5, 0.0)
    assert write_captions(7, clear) == ["a small thick seven upright"]
    assert write_captions(7, clear._replace(slant=0.095)) == [
        "a small thick seven upright",
        "a small thick seven leaning right",
    ]
    assert write_captions(7, clear._replace(slant=0.105)) == [
        "a small thick seven leaning right",
        "a small thick seven upright",
    ]
    assert write_captions(0, clear._replace(size=2.61)) == ["a large thick zero upright", "a small thick zero upright"]


def test_examples_have_the_captions_of_their_images():
    images, labels = load_handwriting()
    for example, image, label in zip(EXAMPLES, images, labels.tolist(), strict=True):
        np.testing.assert_array_equal(example.input, standardize(image).ravel())
        assert [example.target, *example.alternatives] == write_captions(label, measure(image))


def test_captions_are_varied_and_most_are_unambiguous():
    assert len({example.target for example in EXAMPLES}) > 60
    assert sum(bool(example.alternatives) for example in EXAMPLES) < 0.25 * len(EXAMPLES)
    # Each word is in the captions of more than a tenth of the images.
    for scale in SCALES.values():
        for word in scale.words:
            assert sum(word in example.target for example in EXAMPLES) > 0.1 * len(EXAMPLES)

"""Captions: a function of what is measured, and of nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_tasks.digit_captions import SIZE, SLANT, THICKNESS, DigitCaptions, Measures, captions, measure
from seqforge_tasks.digits import load_handwriting, standardize

EXAMPLES = list(DigitCaptions().examples())
SCALES = {"size": SIZE, "thickness": THICKNESS, "slant": SLANT}


def image_of(*points: tuple[int, int]) -> np.ndarray:
    image = np.zeros((8, 8), dtype=np.float32)
    for row, column in points:
        image[row, column] = 1
    return image


def test_measures_worked_out_by_hand():
    # Three points on a diagonal: each row down is a column to the right, which is a slant to the left.
    found = measure(image_of((2, 2), (3, 3), (4, 4)))
    size = (2 / 3 + 2 / 3) ** 0.5
    assert found == pytest.approx(Measures(size, 3 / size, -1.0))


def test_a_mirrored_image_leans_the_other_way_and_a_moved_one_the_same():
    image = load_handwriting().images[7]
    found = measure(image)
    mirrored = measure(np.ascontiguousarray(image[:, ::-1]))
    assert mirrored == pytest.approx(found._replace(slant=-found.slant))
    moved = measure(np.pad(image, ((3, 0), (0, 5))))
    assert moved == pytest.approx(found)


@pytest.mark.parametrize("image", [image_of((3, 3)), image_of((3, 2), (3, 3), (3, 4))])
def test_a_point_and_a_row_have_no_slant(image: np.ndarray):
    assert measure(image).slant == 0


def own_word(scale, value):
    return scale.words[np.searchsorted(scale.bounds, value, side="right")]


@given(
    st.integers(0, 9),
    st.builds(Measures, st.floats(2, 3.2), st.floats(5, 12), st.floats(-0.4, 0.4)),
)
def test_the_right_captions_are_those_within_the_margins(digit: int, measures: Measures):
    found = captions(digit, measures)
    assert len(set(found)) == len(found)
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    own = [own_word(scale, getattr(measures, name)) for name, scale in SCALES.items()]
    assert found[0] == f"a {own[0]} {own[1]} {words[digit]} {own[2]}"
    between = sum(
        abs(getattr(measures, name) - bound) <= scale.margin for name, scale in SCALES.items() for bound in scale.bounds
    )
    assert len(found) == 2**between


def test_only_a_bound_that_is_near_makes_two_words_right():
    clear = Measures(2.4, 8.5, 0.0)
    assert captions(7, clear) == ["a small thick seven upright"]
    assert captions(7, clear._replace(slant=0.095)) == [
        "a small thick seven upright",
        "a small thick seven leaning right",
    ]
    assert captions(7, clear._replace(slant=0.105)) == [
        "a small thick seven leaning right",
        "a small thick seven upright",
    ]
    assert captions(0, clear._replace(size=2.61)) == ["a large thick zero upright", "a small thick zero upright"]


def test_captions_are_those_of_the_image():
    images, labels = load_handwriting()
    for example, image, label in zip(EXAMPLES, images, labels.tolist(), strict=True):
        np.testing.assert_array_equal(example.input, standardize(image).ravel())
        assert [example.target, *example.alternatives] == captions(label, measure(image))


def test_captions_say_much_and_few_images_stand_between_words():
    assert len({example.target for example in EXAMPLES}) > 60
    assert sum(bool(example.alternatives) for example in EXAMPLES) < 0.25 * len(EXAMPLES)
    # Each word of each scale is said of at least one image in ten.
    for scale in SCALES.values():
        for word in scale.words:
            assert sum(word in example.target for example in EXAMPLES) > 0.1 * len(EXAMPLES)

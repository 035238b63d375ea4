"""The metrics `exact-match` and `edit-distance`, against the recursive definition of edit distance."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_tasks.metrics import EditDistance, ExactMatch

from seqforge.kinds import Classes, ExamplePrediction, ExampleSpec, Numbers, Text

TEXTS = ExampleSpec(Numbers(2), "vector", Text(), "sequence")
PHONEMES = ExampleSpec(Text(), "sequence", Classes(("AA", "B", "K")), "sequence")
LABEL = ExampleSpec(Numbers(2), "vector", Classes(("no", "yes")), "once")
TAGS = ExampleSpec(Text(), "sequence", Classes(("no", "yes")), "every step")
NUMBER = ExampleSpec(Numbers(2), "vector", Numbers(1), "once")


def levenshtein(one: str, other: str) -> int:
    @cache
    def distance(i: int, j: int) -> int:
        if not (i and j):
            return i + j
        replaced = distance(i - 1, j - 1) + (one[i - 1] != other[j - 1])
        return min(replaced, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

    return distance(len(one), len(other))


words = st.text("abé", max_size=6)
predictions = st.lists(st.tuples(words, st.lists(words, min_size=1, max_size=3)), min_size=1, max_size=5)


@given(predictions)
def test_values_equal_those_of_the_definition(pairs: list[tuple[str, list[str]]]):
    texts = [ExamplePrediction("", "", predicted, tuple(targets)) for predicted, targets in pairs]
    nearest = [
        min((levenshtein(predicted, target), -len(target)) for target in targets) for predicted, targets in pairs
    ]
    distance, length = sum(one for one, _ in nearest), -sum(length for _, length in nearest)
    wrong = sum(predicted not in targets for predicted, targets in pairs)
    assert EditDistance().score(TEXTS, texts).values == {
        "mean": pytest.approx(distance / len(pairs)),
        "rate": pytest.approx(distance / max(length, 1)),
    }
    assert ExactMatch().score(TEXTS, texts).values == {"share": pytest.approx(1 - wrong / len(pairs))}
    # The code points of the same texts, as a sequence of classes.
    phonemes = [
        ExamplePrediction(
            "",
            "",
            np.array([*map(ord, predicted)], dtype=np.int64),
            tuple(np.array([*map(ord, text)]) for text in targets),
        )
        for predicted, targets in pairs
    ]
    assert EditDistance().score(PHONEMES, phonemes) == EditDistance().score(TEXTS, texts)
    assert ExactMatch().score(PHONEMES, phonemes) == ExactMatch().score(TEXTS, texts)


def test_values_computed_by_hand():
    predictions = [
        ExamplePrediction("tomato", "", np.array([0, 1, 2]), (np.array([0, 1, 1, 2]), np.array([0, 1, 2]))),
        ExamplePrediction("bat", "", np.array([1, 0]), (np.array([1, 0, 2, 2]), np.array([0]))),
    ]
    # The nearest target of "bat" has one phoneme and differs by one edit.
    assert EditDistance().score(PHONEMES, predictions).values == {"mean": 0.5, "rate": 1 / 4}
    assert ExactMatch().score(PHONEMES, predictions).values == {"share": 0.5}


def test_exact_match_of_labels():
    assert ExactMatch().score(
        LABEL, [ExamplePrediction("a", "", 1, (1,)), ExamplePrediction("b", "", 1, (0,))]
    ).values == {"share": 0.5}


def test_metrics_fit_shapes_that_they_can_score():
    shapes = (TEXTS, PHONEMES, LABEL, TAGS, NUMBER)
    assert [ExactMatch().fits(spec) for spec in shapes] == [True, True, True, True, False]
    assert [EditDistance().fits(spec) for spec in shapes] == [True, True, False, False, False]

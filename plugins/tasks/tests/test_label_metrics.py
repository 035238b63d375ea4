"""The metrics `accuracy` and `confusion`, against explicit counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_tasks.metrics import Accuracy, Confusion

from seqforge.kinds import Classes, ExamplePrediction, ExampleSpec, Numbers, Text

NAMES = ("code", "comment", "string")
TAGS = ExampleSpec(Text(), "sequence", Classes(NAMES), "every step")
LABEL = ExampleSpec(Numbers(2), "vector", Classes(NAMES), "once")

steps = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=8)


@given(st.lists(steps, min_size=1, max_size=4))
def test_accuracy_counts_each_step(examples: list[list[tuple[int, int]]]):
    predictions = [
        ExamplePrediction(
            "", "", np.array([predicted for predicted, _ in pairs]), (np.array([target for _, target in pairs]),)
        )
        for pairs in examples
    ]
    all_steps = [pair for pairs in examples for pair in pairs]
    expected = {"overall": sum(predicted == target for predicted, target in all_steps) / len(all_steps)}
    for number, name in enumerate(NAMES):
        correct = [predicted == target for predicted, target in all_steps if target == number]
        expected[f"of_{name}"] = sum(correct) / len(correct) if correct else 0.0
    assert Accuracy(per_class=True).score(TAGS, predictions).values == pytest.approx(expected)
    assert Accuracy().score(TAGS, predictions).values == pytest.approx({"overall": expected["overall"]})


def test_accuracy_of_one_label_per_example_uses_the_nearest_target():
    predictions = [
        ExamplePrediction("a", "", 2, (0, 2)),
        ExamplePrediction("b", "", 1, (0,)),
        ExamplePrediction("c", "", 0, (0,)),
    ]
    values = Accuracy(per_class=True).score(LABEL, predictions).values
    assert values == pytest.approx({"overall": 2 / 3, "of_code": 1 / 2, "of_comment": 0.0, "of_string": 1.0})


def test_the_confusion_matrix_has_a_row_per_target():
    predictions = [
        ExamplePrediction("a", "", np.array([0, 0, 1, 2]), (np.array([0, 1, 1, 2]),)),
        ExamplePrediction("b", "", np.array([0]), (np.array([1]),)),
    ]
    score = Confusion().score(TAGS, predictions)
    assert score.values == {}
    assert score.report.splitlines() == [
        "rows: target, columns: prediction",
        "          code commen string",
        "code         1      ·      ·",
        "comment      2      1      ·",
        "string       ·      ·      1",
    ]


def test_only_class_labels_can_be_scored():
    sequence = ExampleSpec(Text(), "sequence", Classes(NAMES), "sequence")
    number = ExampleSpec(Numbers(2), "vector", Numbers(1), "once")
    for metric in (Accuracy(), Confusion()):
        assert [metric.fits(spec) for spec in (TAGS, LABEL, sequence, number)] == [True, True, False, False]
        with pytest.raises(ValueError, match="targets that are classes"):
            metric.score(number, [ExamplePrediction("", "", np.zeros(1), (np.zeros(1),))])

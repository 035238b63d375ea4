"""The accuracy in ranges of lengths, depths and distances."""

from typing import Any

import numpy as np
import pytest
from seqforge_formal.answers import NO_ANSWER
from seqforge_formal.by_length import ByLength

from seqforge.kinds import Classes, ExamplePrediction, ExampleSpec, Numbers, Text

ONCE = ExampleSpec(Text(), "sequence", Classes(("no", "yes")), "once")
STEPS = ExampleSpec(Text(), "sequence", Classes((NO_ANSWER, "a", "b")), "every step")
NUMBER = ExampleSpec(Numbers(2), "sequence", Numbers(1), "once")


def steps(text: str, predicted: list[int], target: list[int]) -> ExamplePrediction:
    return ExamplePrediction("", text, np.array(predicted), (np.array(target),))


def test_predictions_are_grouped_by_the_length_of_their_input() -> None:
    lengths = {3: (1, 1), 4: (1, 0), 5: (0, 0), 9: (1, 0), 11: (1, 0)}
    predictions = [ExamplePrediction("", "x" * steps, *pair[:1], pair[1:]) for steps, pair in lengths.items()]
    score = ByLength((4, 8, 10)).score(ONCE, predictions)
    # The last one is longer than every range.
    assert score.values == {"overall": 0.5, "to_4": 0.5, "to_8": 1.0, "to_10": 0.0}
    assert score.weights == {"overall": 4, "to_4": 2, "to_8": 1, "to_10": 1}


def test_steps_without_an_answer_do_not_count() -> None:
    prediction = steps("abcdef", [0, 1, 2, 2, 1, 1], [0, 0, 2, 1, 1, 2])
    assert ByLength((3, 6), "prefix").score(STEPS, [prediction]).values == {
        "overall": 0.5,
        "to_3": 1.0,
        "to_6": pytest.approx(1 / 3),
    }
    assert ByLength((6,)).score(STEPS, [prediction]).values == {"overall": 0.5, "to_6": 0.5}


@pytest.mark.parametrize(
    ("measure", "values"),
    [
        # After each step: depth 1, 2, 1, 2, 1, 0, and distance 0, 0, 2, 0, 4, and none.
        ("depth", {"overall": 0.5, "to_0": 0.0, "to_1": pytest.approx(2 / 3), "to_2": 0.5}),
        ("distance", {"overall": 0.5, "to_0": 0.25, "to_2": 1.0, "to_4": 1.0}),
    ],
)
def test_brackets_have_a_depth_and_a_distance(measure: Any, values: dict[str, float]) -> None:
    predicted = steps("([]{})", [2, 1, 1, 2, 1, 2], [1, 1, 1, 1, 1, 1])
    limits = (0, 1, 2) if measure == "depth" else (0, 2, 4)
    assert ByLength(limits, measure).score(STEPS, [predicted]).values == values


def test_a_number_is_right_within_the_tolerance() -> None:
    pairs = [(1.0, 1.039), (1.0, 1.041)]
    predictions = [
        ExamplePrediction("", np.zeros((5, 2)), np.array([predicted]), (np.array([target]),))
        for predicted, target in pairs
    ]
    assert ByLength((5,)).score(NUMBER, predictions).values == {"overall": 0.5, "to_5": 0.5}


def test_the_table_has_an_interval_if_there_are_enough_examples() -> None:
    few = [ExamplePrediction("", "abc", 1, (1,))]
    assert "[" not in ByLength((3,)).score(ONCE, few).report
    table = ByLength((3, 8)).score(ONCE, 30 * few).report
    (line,) = table.splitlines()
    assert line.split()[:2] == ["to_3", "1.0000"]
    assert line.endswith("30 answers")
    # Thirty right answers do not show that there are no errors.
    assert 0.85 < float(line[line.index("[") + 1 :].split(",")[0]) < 1


@pytest.mark.parametrize(("spec", "value"), [(NUMBER, np.zeros((1, 2)))])
def test_numbers_have_no_brackets(spec: ExampleSpec, value: Any) -> None:
    with pytest.raises(ValueError, match="the input consists of numbers"):
        ByLength(measure="depth").score(spec, [ExamplePrediction("", value, np.zeros(1), (np.zeros(1),))])

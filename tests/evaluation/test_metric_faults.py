"""The results of a metric are checked: a wrong result is reported and left out, and the run continues."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from seqforge.evaluation.metrics import score_texts
from seqforge.kinds import Finding, Metric, Score


class Returns(Metric):
    """Returns the given results, one after the other."""

    def __init__(self, *results: Any) -> None:
        self.results = list(results)

    def score(self, texts: Sequence[str]) -> Score:
        return self.results.pop(0)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "ValueError: it returned None, not a Score"),
        ({"a": 1.0}, "ValueError: it returned a dict, not a Score"),
        (Score({"a": "x"}), "ValueError: its value 'a' is 'x', not a number"),  # pyright: ignore[reportArgumentType]
        (Score({"a": float("nan")}), "ValueError: its value 'a' is nan"),
        (Score([1.0]), "ValueError: its values are a list, not a dict"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_a_wrong_result_is_reported_and_left_out(result: Any, message: str, capsys: pytest.CaptureFixture[str]):
    assert score_texts({"wrong": Returns(result), "right": Returns(Score({"b": 2.0}))}, [["text"]]).values == {
        "right.b": 2.0
    }
    assert f"seqforge: the metric 'wrong' failed: {message}" in capsys.readouterr().err


def test_names_that_differ_between_groups_are_reported_and_left_out(capsys: pytest.CaptureFixture[str]):
    assert score_texts({"wrong": Returns(Score({"a": 1.0}), Score({"b": 1.0}))}, [["one"], ["two"]]).values == {}
    assert "the metric 'wrong' failed: KeyError: 'a'" in capsys.readouterr().err


@pytest.mark.parametrize("number", [np.float32(2), np.int64(2), torch.tensor(2.0), 2, True + True])
def test_numbers_of_other_libraries_become_floats(number: Any):
    values = score_texts({"right": Returns(Score({"a": number}))}, [["text"]]).values
    assert values == {"right.a": 2.0}
    assert type(values["right.a"]) is float


def test_the_errors_of_the_first_text_are_marked():
    findings = (Finding(0, 1, 2, "wrong"), Finding(0, 2, 3, "strange", "warning"), Finding(1, 1, 2, "other"))
    scores = score_texts({"found": Returns(Score({"a": 1.0}, findings))}, [["text", "another"]])
    assert [(mark.start, mark.stop, mark.message) for mark in scores.marks] == [(1, 2, "wrong")]

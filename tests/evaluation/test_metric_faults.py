"""Scores of metrics are validated: an invalid one is left out, and the run continues."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from seqforge.evaluation.metrics import score_texts
from seqforge.interfaces import Metric, Score


class Says(Metric):
    """A metric that returns the given values in order."""

    def __init__(self, *predictions: Any) -> None:
        self.predictions = list(predictions)

    def score(self, texts: Sequence[str]) -> Score:
        return self.predictions.pop(0)


@pytest.mark.parametrize(
    ("prediction", "said"),
    [
        (None, "TypeError: it returned a NoneType, not a Score"),
        ({"a": 1.0}, "TypeError: it returned a dict, not a Score"),
        (Score({"a": "x"}), "ValueError: could not convert string to float: 'x'"),  # pyright: ignore[reportArgumentType]
        (Score({"a": float("nan")}), "ValueError: its value 'a' is nan"),
        (Score([1.0]), "AttributeError: 'list' object has no attribute 'items'"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_an_invalid_score_is_left_out_with_a_warning(prediction: Any, said: str, capsys: pytest.CaptureFixture[str]):
    assert score_texts({"wrong": Says(prediction), "right": Says(Score({"b": 2.0}))}, [["text"]]) == {"right.b": 2.0}
    assert f"seqforge: the metric 'wrong' failed: {said}" in capsys.readouterr().err


def test_a_metric_whose_names_change_is_left_out(capsys: pytest.CaptureFixture[str]):
    assert score_texts({"wrong": Says(Score({"a": 1.0}), Score({"b": 1.0}))}, [["one"], ["two"]]) == {}
    assert "the metric 'wrong' failed: KeyError: 'a'" in capsys.readouterr().err


@pytest.mark.parametrize("number", [np.float32(2), np.int64(2), torch.tensor(2.0), 2, True + True])
def test_numbers_of_other_libraries_become_floats(number: Any):
    figures = score_texts({"right": Says(Score({"a": number}))}, [["text"]])
    assert figures == {"right.a": 2.0}
    assert type(figures["right.a"]) is float

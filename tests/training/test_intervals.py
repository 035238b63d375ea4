"""Intervals in steps, in time and as parts of a run."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqforge.errors import ExperimentError
from seqforge.kinds import Progress
from seqforge.training.endings import FIRST_SAMPLE_SECONDS, Intervals, count_intervals


@pytest.mark.parametrize(
    ("interval", "step", "fraction", "seconds", "expected"),
    [
        (500, 999, 0.5, 0.0, 1),
        (500, 1000, 0.5, 0.0, 2),
        ("20s", 7, 0.1, 39.9, 1),
        ("20s", 7, 0.1, 40.0, 2),
        ("1.5min", 7, 0.1, 180.0, 2),
        ("2 h", 7, 0.1, 7199.0, 0),
        ("10%", 7, 0.29, 0.0, 2),
        ("10%", 7, 0.3, 0.0, 3),
    ],
)
def test_counts(interval: int | str, step: int, fraction: float, seconds: float, expected: int) -> None:
    assert count_intervals(interval, Progress(step, 0.0, fraction), seconds) == expected


@given(steps=st.integers(1, 300), parts=st.sampled_from([1, 2, 5, 10, 20, 25, 50]))
def test_a_part_of_a_run_ends_once_at_its_step(steps: int, parts: int) -> None:
    counts = [count_intervals(f"{parts}%", Progress(step, 0.0, step / steps), 0.0) for step in range(steps + 1)]
    assert counts == [100 * step // (parts * steps) for step in range(steps + 1)]


@pytest.fixture
def intervals(experiment: Any) -> Intervals:
    chosen = experiment(sampling={"interval": "10%"}, evaluation={"interval": "1min"}, training={"steps": 100})
    return Intervals(chosen, Progress(0, 0.0, 0.0), 0.0)


def test_work_is_due_once(intervals: Intervals) -> None:
    assert intervals.find_due(Progress(9, 0.0, 0.09), 1.0) == set()
    assert intervals.find_due(Progress(10, 0.0, 0.10), 2.0) == {"sampling"}
    assert intervals.find_due(Progress(10, 0.0, 0.10), 2.0) == set()
    assert intervals.find_due(Progress(29, 0.0, 0.29), 61.0) == {"sampling", "evaluation"}


def test_the_first_sample_of_a_long_run_is_early(intervals: Intervals) -> None:
    assert intervals.find_due(Progress(1, 0.0, 0.01), FIRST_SAMPLE_SECONDS - 1) == set()
    assert intervals.find_due(Progress(2, 0.0, 0.02), FIRST_SAMPLE_SECONDS) == {"sampling"}
    assert "sampling" not in intervals.find_due(Progress(15, 0.0, 0.15), 90.0)
    assert "sampling" in intervals.find_due(Progress(20, 0.0, 0.20), 120.0)


@pytest.mark.parametrize("interval", [0, -1, True, "0s", "20", "s", "10 percent", 0.5, "1e3s", "9" * 30 + "s"])
def test_other_intervals_are_errors(experiment: Any, interval: object) -> None:
    with pytest.raises(ExperimentError, match=r"sampling\.interval: must be a number of steps above 0"):
        experiment(sampling={"interval": interval})

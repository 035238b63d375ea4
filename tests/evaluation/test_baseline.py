"""The baseline: metrics on held-out text of the same length as samples."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from seqforge import Run, train
from seqforge.data import Dataset, prepare
from seqforge.evaluation import baseline, score_texts, with_baselines
from seqforge.evaluation.baseline import held_out_windows, score_baseline
from seqforge.interfaces import Metric, Sampled, Score
from seqforge.registry import Registry


@pytest.fixture
def dataset(experiment: Any) -> Dataset:
    return prepare(experiment(), lambda _: None)


class Letters(Metric):
    """A metric that counts letters, and the share of the letter a."""

    def score(self, texts: Sequence[str]) -> Score:
        text = "".join(texts)
        share = text.count("a") / len(text) if text else 0.0
        return Score({"a": share, "letters": float(len(text))}, weights={"a": len(text)})


def test_windows_begin_with_a_line_and_have_the_length_of_samples(dataset: Dataset) -> None:
    text = "".join(dataset.documents("validation"))
    windows = held_out_windows(dataset, None, count=20, length=30, seed=1)
    assert [len(window) for window in windows] == [30] * 20
    assert all("\n" + window in text for window in windows)
    assert windows == held_out_windows(dataset, None, count=20, length=30, seed=1)
    assert windows != held_out_windows(dataset, None, count=20, length=30, seed=2)


def test_windows_follow_the_prompt(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(dataset.documents("validation"))
    windows = held_out_windows(dataset, "quick", count=20, length=30, seed=1)
    assert all(window.startswith("quick") and len(window) == 35 and window in text for window in windows)
    monkeypatch.setattr(baseline, "SEARCHED", 120)
    assert len(set(held_out_windows(dataset, "quick", count=20, length=30, seed=1))) > 5


def test_windows_begin_with_a_line_if_the_prompt_does_not_occur(dataset: Dataset) -> None:
    assert held_out_windows(dataset, "lazybones", count=4, length=30, seed=1) == held_out_windows(
        dataset, None, count=4, length=30, seed=1
    )


def test_a_short_split_is_one_window(dataset: Dataset, experiment: Any) -> None:
    text = "".join(dataset.documents("validation"))
    assert held_out_windows(dataset, None, count=1, length=len(text) + 1, seed=1) == [text]
    empty = experiment(data={"validation_fraction": 0.0})
    assert held_out_windows(prepare(empty, lambda _: None), None, count=1, length=10, seed=1) == []
    assert score_baseline({"letters": Letters()}, empty, prepare(empty, lambda _: None)) == {}


def test_values_of_groups_are_averaged_by_their_weights() -> None:
    figures = score_texts({"letters": Letters()}, [["a", "b"], [], ["abbbbbb", "b"]])
    assert figures == {"letters.a": 2 / 10, "letters.letters": 10 / 3}
    assert score_texts({"letters": Letters()}, [[], [""]]) == {"letters.letters": 0.0}


@pytest.mark.parametrize("count", [1, 3, 100])
def test_windows_are_scored_in_groups_of_the_number_of_samples(count: int, experiment: Any) -> None:
    chosen = experiment(sampling={"count": count})
    figures = score_baseline({"letters": Letters()}, chosen, prepare(chosen, lambda _: None))
    assert figures["letters.letters"] == 20 * count


def test_the_baseline_follows_each_value() -> None:
    assert list(with_baselines({"x": 1.0, "y": 2.0}, {"y": 3.0, "z": 4.0}).items()) == [
        ("x", 1.0),
        ("y", 2.0),
        ("y.baseline", 3.0),
    ]


def test_a_run_logs_and_reports_the_baseline(experiment: Any, tmp_path: Path, registry: Registry) -> None:
    told: list[Sampled] = []

    class Listener:
        def on_sampled(self, event: Sampled) -> None:
            told.append(event)

    chosen = experiment(metrics=[{"use": "distinct", "lengths": [1]}])
    run = train(chosen, tmp_path, callbacks=[Listener()])
    samples = [record for record in run.metrics() if record["event"] == "sample"]
    expected = {record["distinct.distinct_1.baseline"] for record in samples}
    assert len(samples) == len(told) == 2
    assert len(expected) == 1
    assert 0.5 < expected.pop() == told[0].baseline["distinct.distinct_1"] <= 1.0

    scores, again = Run.open(run.path, registry=registry).score_samples()
    assert scores.keys() == again.keys() == {"distinct.distinct_1"}
    assert again == told[0].baseline


def test_the_command_prints_the_baseline(experiment: Any, tmp_path: Path, seqforge: Any) -> None:
    train(experiment(metrics=[{"use": "distinct", "lengths": [1]}]), tmp_path / "runs")
    printed = seqforge("evaluate", "runs/small")
    figures = json.loads(seqforge("evaluate", "runs/small", "--json").stdout)
    value, reference = figures["distinct.distinct_1"], figures["distinct.distinct_1.baseline"]
    line = printed.stdout.splitlines()[-1].split()
    assert line == [
        "distinct.distinct_1", f"{value:.4f}", "baseline", f"{reference:.4f}", "excess", f"{value - reference:+.4f}"
    ]  # fmt: skip

"""The baseline: held-out text that is cut into windows and scored as samples are."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from seqforge import Run, train
from seqforge.data.dataset import Dataset, prepare
from seqforge.errors import ExperimentError
from seqforge.evaluation import baseline
from seqforge.evaluation.baseline import held_out_windows, score_baseline, with_baselines
from seqforge.evaluation.intervals import Interval
from seqforge.evaluation.metrics import TextScores, score_texts, summarize
from seqforge.kinds import Finding, Metric, Quantity, Sampled, Score
from seqforge.registry.registry import Registry
from seqforge.tasks.language_model import score_samples


@pytest.fixture
def dataset(experiment: Any) -> Dataset:
    return prepare(experiment(), lambda _: None)


class Letters(Metric):
    """The number of letters, and the fraction of the letter a among them."""

    def score(self, texts: Sequence[str]) -> Score:
        text = "".join(texts)
        fraction = text.count("a") / len(text) if text else 0.0
        return Score({"a": fraction, "letters": float(len(text))}, weights={"a": len(text)})


class Described(Letters):
    quantities: ClassVar = {
        "a": Quantity("letters that are a", "share", "less", "{} of the letters are a"),
        "let*": Quantity("let*", "number", "neither", "the texts have {} let*", is_detail=True),
    }


def test_sentences_compare_values_with_held_out_text_if_there_are_enough_cases() -> None:
    metrics = {"described": Described(), "silent": Letters()}
    scores = score_texts(metrics, [["ab" * 10]])
    described = summarize(metrics, scores, score_texts(metrics, [["b" * 99 + "a"]]))
    assert described.summary == (
        "50% of the letters are a; in held-out text, 1%",
        "silent.a: 0.5 (0.01)",
        "silent.letters: 20 (100)",
    )
    assert described.details == ("the texts have 20 letters; in held-out text, 100",)
    assert described.values == scores.values
    few = summarize(metrics, score_texts(metrics, [["aaaaaaaaa"]]), TextScores())
    assert few.summary[0] == "letters that are a: too few cases to tell (9)"
    prompted = summarize(
        {"described": Described()}, score_texts({"described": Described()}, [["ba" * 9]], prompt="b"), TextScores()
    )
    sentence = "described counts 0 errors in 1,000 characters after the prompt that the prompt alone does not have"
    assert prompted.details[-1] == sentence


@pytest.mark.parametrize(
    ("unit", "value", "shown"),
    [("share", 0.0, "none"), ("share", 1.0, "all"), ("share", 0.0123, "1.2%"), ("share", 0.999, "99.9%"),
     ("per 1,000", 231.0, "23%"), ("number", 8.62, "8.62")],
)  # fmt: skip
def test_a_sentence_shows_a_share_as_a_percentage(unit: Any, value: float, shown: str) -> None:
    assert Quantity("title", unit, "less", "{}").format(value) == shown


def test_windows_begin_at_a_line_and_are_as_long_as_samples(dataset: Dataset) -> None:
    text = "".join(dataset.documents("validation"))
    windows = held_out_windows(dataset, None, count=20, length=30, seed=1)
    assert [len(window) for window in windows] == [30] * 20
    assert all("\n" + window in text for window in windows)
    assert windows == held_out_windows(dataset, None, count=20, length=30, seed=1)
    assert windows != held_out_windows(dataset, None, count=20, length=30, seed=2)


def test_windows_begin_with_the_prompt(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(dataset.documents("validation"))
    windows = held_out_windows(dataset, "quick", count=20, length=30, seed=1)
    assert all(window.startswith("quick") and len(window) == 35 and window in text for window in windows)
    monkeypatch.setattr(baseline, "SEARCHED", 120)
    assert len(set(held_out_windows(dataset, "quick", count=20, length=30, seed=1))) > 5


def test_if_the_prompt_never_occurs_windows_begin_at_a_line(dataset: Dataset) -> None:
    assert held_out_windows(dataset, "lazybones", count=4, length=30, seed=1) == held_out_windows(
        dataset, None, count=4, length=30, seed=1
    )


def test_a_split_shorter_than_a_window_is_one_window(dataset: Dataset, experiment: Any) -> None:
    text = "".join(dataset.documents("validation"))
    assert held_out_windows(dataset, None, count=1, length=len(text) + 1, seed=1) == [text]
    empty = experiment(data={"validation_fraction": 0.0})
    assert held_out_windows(prepare(empty, lambda _: None), None, count=1, length=10, seed=1) == []
    assert score_baseline({"letters": Letters()}, empty, prepare(empty, lambda _: None)).values == {}


def test_values_of_groups_are_averaged_by_their_weights() -> None:
    values = score_texts({"letters": Letters()}, [["a", "b"], [], ["abbbbbb", "b"]]).values
    assert values == {"letters.a": 2 / 10, "letters.letters": 10 / 3}
    assert score_texts({"letters": Letters()}, [[], [""]]).values == {"letters.letters": 0.0}


@pytest.mark.parametrize("count", [1, 3, 100])
def test_windows_are_scored_in_groups_of_the_sample_count(count: int, experiment: Any) -> None:
    chosen = experiment(sampling={"count": count})
    values = score_baseline({"letters": Letters()}, chosen, prepare(chosen, lambda _: None))
    assert values.values["letters.letters"] == 20 * count


def test_each_value_is_followed_by_its_baseline() -> None:
    record = with_baselines(
        TextScores({"x": 1.0, "y": 2.0}, {"x": Interval(0.5, 1.5)}, summary=("a sentence",)),
        TextScores({"y": 3.0, "z": 4.0}, {"y": Interval(2.5, 3.5), "z": Interval(3.0, 5.0)}),
    )
    assert list(record.items()) == [
        ("x", 1.0),
        ("y", 2.0),
        ("y.baseline", 3.0),
        ("intervals", {"x": (0.5, 1.5), "y.baseline": (2.5, 3.5)}),
        ("summary", ("a sentence",)),
    ]


def test_a_run_logs_the_baseline_and_passes_it_to_callbacks(
    experiment: Any, tmp_path: Path, registry: Registry
) -> None:
    events: list[Sampled] = []

    class Listener:
        def on_sampled(self, event: Sampled) -> None:
            events.append(event)

    chosen = experiment(metrics=[{"use": "distinct", "lengths": [1]}])
    run = train(chosen, tmp_path, callbacks=[Listener()])
    samples = [record for record in run.metrics() if record["event"] == "sample"]
    expected = {record["distinct.distinct_1.baseline"] for record in samples}
    assert len(samples) == len(events) == 2
    assert len(expected) == 1
    assert 0.5 < expected.pop() == events[0].baseline["distinct.distinct_1"] <= 1.0

    scores, again = Run.open(run.path, registry=registry).score_samples()
    assert scores.values.keys() == again.values.keys() == {"distinct.distinct_1"}
    assert again.values == events[0].baseline


def test_evaluate_prints_the_baseline(experiment: Any, tmp_path: Path, seqforge: Any) -> None:
    train(experiment(metrics=[{"use": "distinct", "lengths": [1]}]), tmp_path / "runs")
    printed = seqforge("evaluate", "runs/small", "--details")
    assert "of the n-grams of length 1 are different; in held-out" in seqforge("evaluate", "runs/small").stdout
    values = json.loads(seqforge("evaluate", "runs/small", "--json").stdout)
    value, reference = values["distinct.distinct_1"], values["distinct.distinct_1.baseline"]
    assert printed.stdout.splitlines()[-1].split() == [
        "distinct.distinct_1", f"{value:.4f}", f"{reference:.4f}", f"{value - reference:+.4f}"
    ]  # fmt: skip
    assert "need at least 20 samples" in printed.stderr
    assert values["intervals"].keys() == {"loss", "bits_per_character", "perplexity"}


def test_values_with_a_sample_size_have_an_interval_over_texts() -> None:
    texts = ["a" * (number % 3) + "b" * (number % 4) for number in range(40)]
    scores = score_texts({"letters": Letters()}, [texts[:25], texts[25:]])
    assert scores.intervals.keys() == {"letters.a"}
    interval = scores.intervals["letters.a"]
    letters = sum(map(len, texts))
    assert scores.values["letters.a"] == pytest.approx(sum(text.count("a") for text in texts) / letters)
    assert interval.low < scores.values["letters.a"] < interval.high
    # Longer texts with the same share have the same mean, and more letters do not narrow an interval over texts.
    assert score_texts({"letters": Letters()}, [[text * 9 for text in texts]]).intervals["letters.a"] == pytest.approx(
        interval
    )
    assert score_texts({"letters": Letters()}, [texts[:19]]).intervals == {}


class Shouts(Metric):
    """Reports every capital letter as an error, and every exclamation mark as a warning."""

    def score(self, texts: Sequence[str]) -> Score:
        places = [(number, start) for number, text in enumerate(texts) for start in range(len(text))]
        found = [
            Finding(
                number, start, start + 1, texts[number][start], "warning" if texts[number][start] == "!" else "error"
            )
            for number, start in places
            if texts[number][start].isupper() or texts[number][start] == "!"
        ]
        return Score({"shouts": float(len(found))}, tuple(found))


def test_with_a_prompt_only_errors_after_it_count() -> None:
    metrics = {"shouts": Shouts()}
    texts = ["Be Quiet, Bob!", "Be Quiet, now", "another Text"]
    values = score_texts(metrics, [texts], prompt="Be Quiet, ").values
    # The third text does not begin with the prompt.
    assert values == {"shouts.shouts": 7.0, "shouts.new_errors": pytest.approx(1000 * 2 / (4 + 3 + 12))}
    assert score_texts(metrics, [texts]).values == {"shouts.shouts": 7.0}
    assert score_texts(metrics, [["Be"]], prompt="Be").values == {"shouts.shouts": 1.0}
    many = score_texts(metrics, [texts * 10], prompt="Be Quiet, ")
    assert many.intervals["shouts.new_errors"].low < many.values["shouts.new_errors"]


def test_samples_at_several_temperatures_are_compared(
    experiment: Any, tmp_path: Path, seqforge: Any, registry: Registry
) -> None:
    sampling = {"count": 20, "length": 30}
    run = train(experiment(metrics=[{"use": "memorization", "length": 2}], sampling=sampling), tmp_path / "runs")
    chains = [run.experiment.with_temperature(one, run.path).samplers for one in (0.1, 5.0)]
    (cold, hot), baseline = score_samples(run.load(device="cpu"), chains, 0)
    name = "memorization.copied"
    assert hot.values[name] < cold.values[name]
    assert cold.intervals[name].low <= cold.values[name] <= cold.intervals[name].high
    assert baseline == run.score_samples()[1]

    printed = seqforge("evaluate", "runs/small", "--temperature", "0.1", "--temperature", "5").stdout
    heading, *rows = printed.split("\n\n")[1].splitlines()
    assert heading.split() == ["metric", "temperature", "0.1", "temperature", "5", "held-out", "text"]
    assert [row.split()[0] for row in rows] == [f"memorization.{key}" for key in ("longest", "mean_longest", "copied")]
    assert rows[2].split()[1] == f"{cold.values[name]:.4f}"

    greedy = Run.open(run.path, ['sampler=[{use="greedy"}]'], registry)
    with pytest.raises(ExperimentError, match="no sampler of the run has an option 'temperature': essentials/greedy"):
        greedy.experiment.with_temperature(0.1, greedy.path)

"""The numbers of a report are those that the model, the log and the samples give directly."""

from pathlib import Path
from typing import Any

import pytest
import torch

from seqforge import Run, train
from seqforge.events import WorkProgressed
from seqforge.report.facts import collect_curves, collect_facts
from seqforge.report.likelihood import (
    CONTEXT,
    LENGTH,
    LIKELIEST,
    MEMORY_CONTEXT,
    MEMORY_LENGTH,
    MEMORY_PIECES,
    collect_confidences,
    collect_memory,
    next_symbol_nats,
    read_pieces,
)
from seqforge.report.samples import SampleReader
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.metrics_log import CHECKSUMS, SAMPLE, MetricsLog, write_samples
from seqforge.runs.summary import summarize_run


def require_probabilities(found: dict[str, Any], pairs: list[Any]) -> None:
    assert found["symbols"] == [pair.symbol for pair in pairs]
    expected = [pair.probability for pair in pairs]
    assert found["probabilities"] == pytest.approx(expected, rel=6e-3)
    assert found["bits"] == pytest.approx(-torch.tensor(expected).log2().mean().item(), abs=6e-4)
    for symbol, probability, likeliest in zip(
        found["symbols"], found["probabilities"], found["likeliest"], strict=True
    ):
        values = [value for _, value in likeliest]
        assert len({other for other, _ in likeliest}) == LIKELIEST
        assert values == sorted(values, reverse=True)
        assert dict(likeliest).get(symbol, probability) == probability <= values[0]
        assert symbol in dict(likeliest) or probability <= values[-1]


def test_the_confidences_are_the_probabilities_of_the_run(run: Run, subject: LoadedRun) -> None:
    text = "if (count) {"
    found = collect_confidences(subject, text)
    assert found is not None
    assert found["source"] == "your text"
    require_probabilities(found, run.probabilities(text))


def test_the_confidences_of_held_out_text_follow_the_text_before_it(run: Run, subject: LoadedRun) -> None:
    found = collect_confidences(subject, None)
    assert found is not None
    assert found["source"] == "held-out text"
    shown = "".join(found["symbols"])
    assert len(shown) == LENGTH
    corpus = str(run.experiment.table["corpus"]["text"])
    place = corpus.index(shown, CONTEXT)  # The corpus repeats itself, so that the text before it is known.
    require_probabilities(found, run.probabilities(shown, prompt=corpus[place - CONTEXT : place]))


def test_memory_is_the_likelihood_after_a_reset_and_with_the_state(
    subject: LoadedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = subject.dataset
    monkeypatch.setattr(type(dataset), "characters_per_token", lambda *_: 0.5)
    found = collect_memory(subject)
    assert found is not None
    pieces = read_pieces(dataset, "validation", MEMORY_PIECES, MEMORY_CONTEXT + MEMORY_LENGTH + 1, seed=3)
    tokens = torch.as_tensor(pieces.T.copy())
    bits = 1 / torch.tensor(2.0).log() / 0.5
    distances = found["distance"]
    assert distances[:3] == [1.0, 2.0, 3.0]
    assert distances == sorted(distances)
    begin = round(2 * distances[-1]) - MEMORY_LENGTH
    for name, first in (("reset", MEMORY_CONTEXT), ("carried", 0)):
        nats = next_symbol_nats(subject.model, tokens[first:])[-MEMORY_LENGTH:].mean(1) * bits
        assert found[name][:3] == pytest.approx(nats[:3].tolist(), abs=1e-4)
        assert found[name][-1] == pytest.approx(nats[begin - 1 :].mean().item(), abs=1e-4)
        assert len(found[name]) == len(distances)
    whole = next_symbol_nats(subject.model, tokens[:20])
    monkeypatch.setattr("seqforge.report.likelihood.MOST_LOGITS", 3 * 20 * subject.vocabulary.size)
    torch.testing.assert_close(next_symbol_nats(subject.model, tokens[:20]), whole)


def test_the_facts_are_those_of_the_run(run: Run, subject: LoadedRun) -> None:
    facts, summary, splits = collect_facts(subject), summarize_run(run.path), subject.dataset.splits
    assert facts.lead == f"lstm 12 · {summary.corpus}"
    assert facts.figures == [
        ("best bits per character", summary.best.estimate()),
        *zip(("parameters", "steps", "training time"), summary.figures(), strict=True),
    ]
    table = dict(facts.table)
    sizes = [f"{splits[name].length:,}" for name in ("training", "validation")]
    assert table["Splits"] == f"{sizes[0]} training and {sizes[1]} validation tokens"
    assert table["Optimizer"].startswith("adam (learning_rate 0.01, ")
    assert table["Started"].endswith(" at step 0")
    assert table["Directory"] == str(run.path)
    assert "Initial weights" not in table
    assert facts.reproduction == [f"seqforge run {run.path}/experiment.toml", f"seqforge evaluate {run.path}"]


def test_a_long_curve_is_averaged_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqforge.report.facts.MOST_POINTS", 2)
    steps = [
        {"event": "step", "step": step, "seconds": 2.0 * step, "characters": 10.0, "loss": float(step**2)}
        for step in (1, 2, 3, 4, 6)
    ]
    (loss,) = [curve for curve in collect_curves(steps) if curve["chart"] == "Loss"]
    assert loss == {
        "chart": "Loss",
        "role": "training",
        "step": [2.0, 5.0],
        "value": [4.6667, 26.0],
        "seconds": [4.0, 10.0],
        "characters": [20.0, 50.0],
    }


def test_the_faults_that_a_metric_learned_from_the_corpus_need_it(experiment: Any, tmp_path: Path) -> None:
    run = train(experiment(metrics=[{"use": "memorization"}], training={"steps": 1}), tmp_path)
    copied = str(run.experiment.table["corpus"]["text"])[:600]
    log = MetricsLog(run.directory.metrics)
    log.append(SAMPLE, 2, {CHECKSUMS: write_samples(run.directory.samples, 2, [copied])})
    other = Run.open(run.path, ["corpus.text=another corpus of the same kind"]).load()
    for loaded, names in ((run.load(), {"memorization"}), (other, set[str]())):
        samples = SampleReader(loaded, 10_000).collect({})
        assert samples is not None
        assert {metric for _, _, _, metric, _ in samples["moments"][-1]["texts"][0]["faults"]} == names


@pytest.mark.parametrize(("missing", "shown"), [(0, 2), (1, 1), (10_000, 1)])
def test_as_many_samples_are_read_as_the_report_has_room_for(missing: int, shown: int, subject: LoadedRun) -> None:
    longest = max(len(path.read_text()) for path in subject.directory.samples.glob("step-00000012*"))
    events: list[Any] = []
    subject.report = events.append
    reader = SampleReader(subject, max(0, 3 * 2 * longest - missing))
    samples = reader.collect({"brackets.wrong": "a meaning"})
    assert samples is not None
    assert [(len(each["texts"]), each["omitted"]) for each in samples["moments"]] == [(shown, 2 - shown)] * 3
    read = [event.fraction for event in events if event == WorkProgressed("reading samples", event.fraction)]
    assert read == pytest.approx([1 / 3, 2 / 3, 1])
    events.clear()
    assert reader.collect({})["moments"][0]["texts"] == samples["moments"][0]["texts"]  # type: ignore[index]
    assert events == []
    logged = [record for record in subject.records if record["event"] == SAMPLE][-1]
    names = [name for name in logged if "." in name and not name.endswith(".baseline")]
    scores = samples["moments"][-1]["scores"]
    assert [[name, value, other] for name, value, other, *_ in scores] == [
        [name, logged[name], logged[f"{name}.baseline"]] for name in names
    ]

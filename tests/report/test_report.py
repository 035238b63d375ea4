"""What a report contains, and what it leaves out."""

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import Mock

import pytest
import torch

from seqforge import Experiment, Run, train
from seqforge.data.dataset import Dataset
from seqforge.kinds import Finding, Metric, Quantity, Score
from seqforge.report import units as report_units
from seqforge.report.examples import collect_examples
from seqforge.report.facts import MOST_POINTS, collect_curves, collect_facts
from seqforge.report.likelihood import choose_split, read_pieces
from seqforge.report.report import embed_json, write_report
from seqforge.report.samples import CLASSES, MOST_MOMENTS, SampleReader, find_faults, find_lexer, highlight
from seqforge.report.units import LENGTH, WARM_UP, collect_units
from seqforge.runs.directory import RunDirectory
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.metrics_log import CHECKSUMS, SAMPLE, MetricsLog, to_lines, write_samples


def _data(page: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" class="run-data">(.*?)</script>', page, re.DOTALL)
    assert match
    return json.loads(match[1])


def test_report_of_a_language_model(run: Run) -> None:
    page = run.report("if (count) {")
    data = _data(page.html)
    assert [moment["step"] for moment in data["samples"]["moments"]] == [4, 8, 12]
    assert "".join(data["confidences"]["symbols"]) == "if (count) {"
    assert all(abs(sum(value for _, value in place)) <= 1 for place in data["confidences"]["likeliest"])
    assert {unit["property"] for unit in data["units"]["units"]} >= {"bracket depth", "position in the line"}
    assert data["memory"]["reset"][0] != data["memory"]["carried"][0]
    assert page._repr_html_().startswith('<iframe title="seqforge report" sandbox="allow-scripts"')
    assert "default-src &#39;none&#39;" in page.html


@pytest.mark.parametrize("between", [" ", "\n"])
def test_units_are_shown_from_a_whole_line_or_from_the_first_symbol(
    between: str, experiment: Any, tmp_path: Path
) -> None:
    training = {"steps": 1, "batch_size": 4, "sequence_length": 16, "backend": "eager"}
    corpus = {"use": "inline", "text": f"the quick brown fox{between}" * 2000}
    units = collect_units(train(experiment(corpus=corpus, training=training), tmp_path).load())
    assert units
    shown = units["symbols"]
    assert [len(levels) for levels in units["units"][0]["levels"]] == [*map(len, shown)]
    if between == "\n":
        assert {"".join(piece[:3]) for piece in shown} == {"the"}
    else:
        assert {len(piece) for piece in shown} == {LENGTH - WARM_UP}


def test_a_large_model_reads_fewer_pieces_of_text(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def read_recorded(dataset: Any, split: str, count: int, length: int, seed: int) -> Any:
        read.append(count)
        return read_pieces(dataset, split, count, length, seed)

    monkeypatch.setattr(report_units, "read_pieces", read_recorded)
    values_of_a_piece = LENGTH * 2 * sum(cell.hidden_size for cell in run.load().model.stack.layers)
    for values in (report_units.MOST_VALUES, 5 * values_of_a_piece, 1):
        monkeypatch.setattr(report_units, "MOST_VALUES", values)
        collect_units(run.load())
    assert read == [report_units.PIECES, 5, report_units.FEWEST]


def test_a_report_of_two_runs_begins_with_their_results_and_differences(run: Run, tmp_path: Path) -> None:
    other = train(run.experiment.with_tables({"training": {"sequence_length": 8}}, tmp_path), tmp_path / "other")
    page = write_report([each.load() for each in (run, other)]).html
    table = re.search(r'<table class="values comparison">(.*?)</table>', page, re.DOTALL)
    assert table
    assert page.index("comparison") < page.index('id="curves"')
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table[1])
    cells = {name: re.findall("<td>(.*?)</td>", row) for name, row in rows}
    assert cells["training.sequence_length"] == ["16", "8"]
    assert cells["steps"] == ["12", "12"]
    assert all(0 < float(best) < 10 for best in cells["best bits per character"])
    assert "experiment.name" not in cells


def test_report_without_checkpoint_shows_curves_and_samples(run: Run) -> None:
    shutil.rmtree(run.directory.checkpoints)
    page = run.report().html
    data = _data(page)
    assert data["curves"]
    assert data["samples"]
    assert "confidences" not in data
    assert "The model is not available" in page


def test_facts_state_the_command_and_the_machine(subject: LoadedRun) -> None:
    facts = collect_facts(subject)
    table = dict(facts.table)
    assert facts.state == "finished"
    assert facts.command
    assert table["Model"] == "lstm 12"
    assert "LSTM on eager" in table["Backend"]
    assert "seqforge 0" in table["Versions"]
    assert ("steps", "12") in facts.figures
    assert "hidden_size = 12" in facts.experiment
    assert "checksum" not in facts.experiment


def add_samples(run: RunDirectory, step: int, text: str) -> None:
    checksums = write_samples(run.samples, step, [text])
    MetricsLog(run.metrics).append(SAMPLE, step, {CHECKSUMS: checksums})


def test_a_changed_sample_is_not_shown(subject: LoadedRun, capsys: pytest.CaptureFixture[str]) -> None:
    path = subject.directory.samples / "step-00000012-1.txt"
    path.write_text(path.read_text() + "more")
    samples = SampleReader(subject, 10_000).collect({})
    assert samples is None or samples["moments"][-1]["step"] != 12 or len(samples["moments"][-1]["texts"]) == 1
    assert f"{path}: left out, since it is missing or not the text that the run has written" in capsys.readouterr().err


def test_faults_have_the_places_of_the_metrics(subject: LoadedRun) -> None:
    add_samples(subject.directory, 13, "int f(void)\n{\n\treturn 0;\n}\n)\n")
    subject.refresh()
    samples = SampleReader(subject, 10_000).collect({})
    assert samples is not None
    text = samples["moments"][-1]["texts"][0]
    (start, stop, severity, metric, message) = text["faults"][0]
    assert (text["text"][start:stop], severity, metric) == (")", "error", "brackets")
    assert "closes nothing" in message


class Marks(Metric):
    """A metric whose findings may lie outside of the texts, or have no length."""

    quantities: ClassVar = {"number": Quantity("findings", "number", "less", "")}

    def score(self, texts: Sequence[str]) -> Score:
        places = [(0, -3, 2), (0, 0, 1), (0, 4, 4), (1, 2, 1), (2, 0, 1), (-1, 0, 1)]
        return Score({"number": 1.0}, tuple(Finding(*place, "message") for place in places))


def test_faults_have_at_least_one_character_of_their_text() -> None:
    first, second = find_faults({"marks": Marks()}, ["a text", "another"])
    assert [mark[:2] for mark in first] == [[0, 2], [0, 1], [4, 5]]
    assert [mark[:2] for mark in second] == [[2, 3]]


@pytest.mark.parametrize(("length", "split"), [(0, "training"), (1, "training"), (2, "validation")])
def test_what_is_shown_is_held_out_if_there_is_a_symbol_to_predict(length: int, split: str) -> None:
    dataset = Mock(spec=Dataset)
    dataset.splits = {"validation": Mock(length=length)}
    assert choose_split(dataset) == split


def test_curves_of_a_log() -> None:
    steps = [
        {"event": "step", "step": step, "seconds": step / 2, "characters": 10.0, "loss": 5.0 / step}
        for step in range(1, 3001)
    ]
    evaluation = {"event": "evaluation", "step": 100, "loss": 1.5, "metric.value": 0.5, "seconds": 50.0}
    sample = {"event": "sample", "step": 200, "lines.long": 3.0, "lines.long.baseline": 1.0}
    curves = {(curve["chart"], curve["role"]): curve for curve in collect_curves([*steps, evaluation, sample])}
    assert len(curves["Loss", "training"]["value"]) == MOST_POINTS
    assert curves["Loss", "validation"] == {
        "chart": "Loss",
        "role": "validation",
        "step": [100.0],
        "value": [1.5],
        "seconds": [50.0],
        "characters": [1000.0],
    }
    assert curves["Speed", "training"]["value"][0] == 20
    assert curves["lines.long", "baseline"]["value"] == [1.0]
    assert curves["metric.value", "validation"]["value"] == [0.5]


def test_the_facts_have_the_last_value_of_a_metric(labelled_experiment: Any, tmp_path: Path) -> None:
    run = train(labelled_experiment(metrics=[{"use": "exact"}], training={"steps": 2}), tmp_path)
    *_, last = [record["exact.share"] for record in run.metrics() if record["event"] == "evaluation"]
    assert collect_facts(run.load()).figures[1] == ("exact share", f"{last:.3f}")


@pytest.mark.parametrize(("unit", "characters"), [(1.0, 10.0), (0.125, 1.0)])
def test_speed_leaves_out_the_time_of_evaluations(unit: float, characters: float) -> None:
    # An evaluation after step 4 takes 7 times as long as a step.
    seconds = [1, 2, 3, 4, 12, 13]
    steps = [
        {"event": "step", "step": step, "seconds": unit * time, "characters": characters}
        for step, time in enumerate(seconds, start=1)
    ]
    evaluation = {"event": "evaluation", "step": 4, "loss": 1.5}
    (speed,) = [curve for curve in collect_curves([*steps, evaluation]) if curve["chart"] == "Speed"]
    assert speed["step"] == [2, 3, 4, 6]
    assert speed["value"] == [characters / unit] * 4
    everywhere = [{**evaluation, "step": step} for step in range(1, 7)]
    (speed,) = [curve for curve in collect_curves([*steps, *everywhere]) if curve["chart"] == "Speed"]
    assert len(speed["value"]) == 5


def test_report_of_ten_thousand_lines_and_a_hundred_samples_is_small(run: Run) -> None:
    line = {"event": "step", "step": 1, "seconds": 0.1, "characters": 64.0, "loss": 2.0, "bits_per_character": 2.9}
    run.directory.metrics.write_bytes(to_lines([line] * 10_000))
    text = (run.directory.samples / "step-00000012-1.txt").read_text() * 15
    for step in range(100):
        add_samples(run.directory, step, text)
    page = run.report().html
    assert len(page) < 5e6
    data = _data(page)
    steps = [moment["step"] for moment in data["samples"]["moments"]]
    assert len(steps) == MOST_MOMENTS
    assert (steps[0], steps[-1]) == (0, 99)
    assert max(len(curve["value"]) for curve in data["curves"]) <= MOST_POINTS


def test_highlighting_keeps_every_position() -> None:
    lexer = find_lexer(["kernel/a.c", "b.c", "README"])
    text = '\n\n#include <a.h>\nstatic int f(void) { return 10; } /* note */ "text"'
    parts = highlight(text, lexer)
    named = {
        (CLASSES[parts[index + 2]], text[parts[index] : parts[index] + parts[index + 1]])
        for index in range(0, len(parts), 3)
    }
    assert {("keyword", "return"), ("number", "10"), ("comment", "/* note */"), ("string", '"text"')} <= named
    assert find_lexer(["a.unknown", "b"]) is None
    assert highlight(text, None) == []


def test_embedded_json_cannot_end_its_element() -> None:
    value = {"text": "</script><!-- & \u2028"}
    assert not set("<>&") & set(embed_json(value))
    assert json.loads(embed_json(value)) == value


def test_predictions_have_the_sentences_and_the_meanings_of_their_metrics(
    labelled_experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    corpus = {"use": "made", "count": 300}
    chosen = labelled_experiment(corpus=corpus, metrics=[{"use": "exact"}], sampling={"interval": 5})
    run = train(chosen, tmp_path)
    reader = SampleReader(run.load(), 10_000)
    assert reader.describe_values() == {"exact.share": "predictions that are right (share; more is better)"}
    samples = reader.collect(reader.describe_values())
    assert samples is not None
    (sentence,) = samples["moments"][0]["summary"]
    assert sentence.endswith(" of them are right")


def test_examples_of_a_labelled_run(labelled_experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    page = train(labelled_experiment(), tmp_path).report("a text").html
    assert "The run was trained on labelled examples, so the text has no confidence." in page
    found = _data(page)["examples"]
    assert found["count"] == sum(map(sum, found["confusion"]["counts"])) or found["confusion"] is None
    losses = [example["loss"] for example in found["worst"]]
    assert losses == sorted(losses, reverse=True)


def test_an_alignment_has_a_weight_of_each_symbol_of_the_input_for_each_of_the_output(
    labelled_experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    decoding = {"corpus": {"use": "made", "output_mode": "sequence", "targets": "text"}}
    found = collect_examples(train(labelled_experiment(**decoding), tmp_path / "plain").load())
    assert found is not None
    assert found["alignments"] == []
    attention = {"model": {"attention": {"use": "additive"}}, "training": {"steps": 60}}
    run = train(labelled_experiment(**decoding, **attention), tmp_path / "attention")
    found = collect_examples(run.load())
    assert found is not None
    predicted = {example["name"]: example["predicted"] for example in found["worst"]}
    inputs = {example["name"]: example["text"] for example in found["worst"]}
    shared = [matrix for matrix in found["alignments"] if matrix["name"] in predicted]
    assert 0 < len(found["alignments"]) <= 6
    assert max(len(matrix["output"]) for matrix in shared) > 1
    for matrix in shared:
        assert "".join(matrix["source"]) == inputs[matrix["name"]]
        assert "".join(matrix["output"][:-1]) == predicted[matrix["name"]]
        weights = torch.tensor(matrix["weights"])
        assert weights.shape == (len(matrix["output"]), len(matrix["source"]))
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(weights)), atol=0.01, rtol=0)
        assert matrix["output"][-1] == "end"

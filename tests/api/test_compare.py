"""`sf.compare` and `seqforge compare` on trained runs."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seqforge import Callback, Experiment, Registry, Run, compare, train
from seqforge.api.compare import ComparisonTable
from seqforge.api.progress import describe_evaluation
from seqforge.cli.app import build_app
from seqforge.cli.compare import draw_curves
from seqforge.evaluation.intervals import FEWEST_PARTS
from seqforge.kinds import Evaluated
from seqforge.report.report import write_report
from seqforge.runs.summary import summarize_run

TEXT = "".join(f"line {number}: the quick brown fox jumps over {number * number} dogs;\n" for number in range(150))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Return two runs on the same text, with different sizes of the cell and of the batch."""
    folder = tmp_path_factory.mktemp("runs")
    tables: list[dict[str, Any]] = [
        {
            "experiment": {"name": "small"},
            "corpus": {"use": "inline", "text": TEXT},
            "data": {"validation_fraction": 0.2},
            "model": {"cells": [{"use": "gru", "hidden_size": size}]},
            "training": {"batch_size": rows, "sequence_length": 16, "steps": 8, "backend": "eager"},
            "evaluation": {"interval": 4},
        }
        for size, rows in ((4, 4), (12, 8))
    ]
    return [train(Experiment.from_dict(table), folder) for table in tables]


def test_the_rows_have_the_differing_settings_and_the_best_value(runs: list[Run]) -> None:
    table = compare([runs[0], runs[1].path])
    assert [row["run"] for row in table] == ["small", "small-2"]
    assert [row["model.cells.0.hidden_size"] for row in table] == [4, 12]
    assert [row["training.batch_size"] for row in table] == [4, 8]
    assert not any("corpus" in name for row in table for name in row)
    best = min(row["validation_bits_per_character"] for row in runs[0].losses() if row["validation_loss"])
    assert table[0]["validation_bits_per_character"] == best
    assert table._repr_html_().startswith("<table><tr><th>run</th>")
    assert f"<td>{best:.4f}</td>" in table._repr_html_()


def test_a_table_is_printed_with_a_line_for_each_run() -> None:
    rows = [{"run": "runs/a", "steps": 4, "best": 1.25}, {"run": "runs/longer", "steps": None, "best": 2.0}]
    assert str(ComparisonTable(rows)).splitlines() == [
        "run          steps  best",
        "runs/a       4      1.2500",
        "runs/longer  –      2.0000",
    ]
    assert not str(ComparisonTable())


def test_losses_of_different_vocabularies_are_in_bits_per_character_and_per_byte_everywhere(tmp_path: Path) -> None:
    table = {
        "corpus": {"use": "inline", "text": TEXT.replace("fox", "лисица")},
        "data": {"validation_fraction": 0.2},
        "model": {"cells": [{"use": "gru", "hidden_size": 4}]},
        "training": {"batch_size": 4, "sequence_length": 16, "steps": 2, "backend": "eager"},
    }
    events: list[Evaluated] = []

    class Listener(Callback):
        def on_evaluated(self, event: Evaluated) -> None:
            events.extend([event] if event.best else [])

    experiments = [Experiment.from_dict({**table, "vocabulary": {"use": name}}) for name in ("characters", "bytes")]
    runs = [train(each, tmp_path, callbacks=[Listener()], progress=False) for each in experiments]
    found = {event.loss: event for event in events}
    for run, row in zip(runs, compare(runs), strict=True):
        event = found[min(row["validation_loss"] for row in run.losses() if row["validation_loss"])]
        data = run.load().dataset
        nats = event.loss / math.log(2) / data.characters_per_token("validation")
        per_byte = nats * data.characters_per_byte("validation")
        assert per_byte < nats - 0.1
        shown = f"{nats:.4f} ({per_byte:.4f} per byte)"
        assert f"{nats:.3f} bits/char ({per_byte:.4f} per byte)" in describe_evaluation(event)
        assert row["validation_bits_per_byte"] == pytest.approx(per_byte)
        assert str(summarize_run(run.path).best) == shown
        score: Any = run.evaluate()
        assert score.record()["bits_per_byte"] == pytest.approx(per_byte, abs=0.1)
        for page in (write_report([run.load()]), write_report([each.load() for each in runs])):
            assert f"({per_byte:.4f} per byte)" in page.html
    for command in ("runs", "compare"):
        output = (
            CliRunner().invoke(build_app(Registry.installed()), [command, str(tmp_path)], terminal_width=200).stdout
        )
        assert output.count("per byte)") == 2


def test_intervals_are_around_the_evaluated_mean(runs: list[Run]) -> None:
    first, second = compare(runs, intervals=True)
    for row, run in zip((first, second), runs, strict=True):
        score: Any = run.evaluate()
        assert row["validation_mean"] == pytest.approx(score.bits_per_character, abs=2e-3)
        assert row["low"] < row["validation_mean"] < row["high"]
    assert second["difference"] == pytest.approx(second["validation_mean"] - first["validation_mean"])
    # Both runs read the same blocks, although their batches differ.
    assert second["difference_low"] < second["difference"] < second["difference_high"]
    assert first["difference"] is None


def test_runs_that_cut_the_training_text_in_other_ways_are_paired(runs: list[Run], tmp_path: Path) -> None:
    data = {"validation_fraction": 0.2, "piece_length": 500}
    other = train(Experiment.from_dict({**runs[0].experiment.table, "data": data}), tmp_path)
    _, second = compare([runs[0], other], intervals=True)
    assert second["difference_low"] <= second["difference"] <= second["difference_high"]


def test_each_labelled_example_is_a_block(labelled_experiment: Any, tmp_path: Path) -> None:
    run = train(labelled_experiment(), tmp_path)
    table = compare([run, train(labelled_experiment(experiment={"seed": 2}), tmp_path)], intervals=True)
    score: Any = run.evaluate()
    assert table[0]["validation_mean"] == pytest.approx(score.loss, rel=1e-5)
    assert table[1]["difference"] == pytest.approx(table[1]["validation_mean"] - table[0]["validation_mean"])
    # The metrics have intervals, too. Few examples have none.
    assert score.intervals.keys() == (score.metrics.keys() if score.examples >= FEWEST_PARTS else set())
    assert all(low <= score.metrics[name] <= high for name, (low, high) in score.intervals.items())


def test_losses_of_two_kinds_have_no_difference(labelled_experiment: Any, tmp_path: Path) -> None:
    losses = [{"use": "cross-entropy", "label_smoothing": smoothing} for smoothing in (0.0, 0.3)]
    experiments = [labelled_experiment(loss=loss, training={"steps": 1}) for loss in losses]
    table = compare([train(experiment, tmp_path) for experiment in experiments], intervals=True)
    assert table[1]["validation_mean"] is not None
    assert table[1]["difference"] is None


def test_the_command_prints_settings_a_picture_and_figures(runs: list[Run]) -> None:
    output = CliRunner().invoke(build_app(Registry.installed()), ["compare", str(runs[0].path.parent)]).stdout
    assert "model.cells.0.hidden_size  4      12" in output
    assert "validation bits per character" in output
    assert "• small   + small-2" in output
    best = min(row["validation_bits_per_character"] for row in runs[1].losses() if row["validation_loss"])
    figures = next(line for line in output.splitlines() if line.startswith("small-2 "))
    assert f" {best:.4f} [" in figures
    assert output.index(figures) < output.index("validation bits per character")


def test_the_command_says_that_experiments_are_equal(runs: list[Run], tmp_path: Path) -> None:
    again = train(runs[0].experiment, tmp_path)
    arguments = ["compare", str(runs[0].path), str(again.path)]
    output = CliRunner().invoke(build_app(Registry.installed()), arguments).stdout
    assert output.startswith("The experiments are equal.\n")


def test_the_command_prints_intervals(runs: list[Run]) -> None:
    arguments = ["compare", *(str(run.path) for run in runs), "--intervals"]
    output = CliRunner().invoke(build_app(Registry.installed()), arguments, terminal_width=200).stdout
    first, second = compare(runs, intervals=True)
    rows = dict(line.rstrip().split(" ", 1) for line in output.splitlines() if line.startswith("small"))
    lines = [rows[run.path.name] for run in runs]
    for row, line in zip((first, second), lines, strict=True):
        assert f" {row['validation_mean']:.4f}  [{row['low']:.4f}, {row['high']:.4f}]" in line
    assert lines[0].endswith(" –")
    shown = [f"{second[name]:+.4f}" for name in ("difference", "difference_low", "difference_high")]
    assert lines[1].endswith(" {} [{}, {}]".format(*shown))


@pytest.mark.parametrize("colored", [False, True])
def test_curves_differ_by_color_or_else_by_marker(colored: bool) -> None:
    curves = {name: [(0.0, height), (5.0, 1.0), (10.0, height)] for name, height in (("a", 2.0), ("b", 3.0))}
    picture = draw_curves(curves, "steps", width=60, colored=colored)
    *lines, legend = picture.plain.splitlines()
    assert legend == ("━ a   ━ b" if colored else "• a   + b")
    shown = set("".join(lines))
    assert bool(shown & {"•", "+"}) != colored
    assert any(0x2800 < ord(character) <= 0x28FF for character in shown) == colored
    drawn = [character for character in "".join(lines) if character in "•+" or 0x2800 < ord(character) <= 0x28FF]
    assert len(drawn) > 20  # Points are connected by lines.
    styles = {str(span.style) for span in picture.spans if span.end <= picture.plain.index(legend)}
    assert any("color(" in style for style in styles) == colored


def test_the_command_prints_json_with_curves_and_intervals(runs: list[Run]) -> None:
    arguments = ["compare", *(str(run.path) for run in runs), "--json", "--intervals", "--axis", "seconds"]
    result = CliRunner().invoke(build_app(Registry.installed()), arguments)
    first, second = json.loads(result.stdout)["runs"]
    assert (second["model.cells.0.hidden_size"], second["training.batch_size"]) == (12, 8)
    assert second["difference_low"] < second["difference"] < second["difference_high"]
    rows = [row for row in runs[0].losses() if row["validation_loss"] is not None]
    assert first["curve"] == [[row["seconds"], row["validation_bits_per_character"]] for row in rows]


def test_the_metrics_of_the_last_samples_are_compared(tmp_path: Path) -> None:
    tables: list[dict[str, Any]] = [
        {
            "experiment": {"name": "small", "seed": seed},
            "corpus": {"use": "inline", "text": "f(a)[1];\n" * 300},
            "data": {"validation_fraction": 0.2},
            "model": {"cells": [{"use": "gru", "hidden_size": 4}]},
            "training": {"batch_size": 4, "sequence_length": 16, "steps": 2, "backend": "eager"},
            "sampling": {"interval": 2, "count": 24, "length": 60},
            "metrics": [{"use": "code-syntax", "language": "json"}],
        }
        for seed in (1, 2)
    ]
    runs = [train(Experiment.from_dict(table), tmp_path) for table in tables]
    arguments = ["compare", *(str(run.path) for run in runs)]
    result = CliRunner().invoke(build_app(Registry.installed()), [*arguments, "--json"])
    first, second = json.loads(result.stdout)["samples"]["code-syntax.brackets"]
    assert first["difference"] is first["difference_interval"] is None
    assert 0 < first["interval"][0] < first["value"] < first["interval"][1]
    assert second["difference"] == pytest.approx(second["value"] - first["value"])
    assert second["difference_interval"][0] < second["difference"] < second["difference_interval"][1]
    output = CliRunner().invoke(build_app(Registry.installed()), arguments).stdout
    row = next(line for line in output.splitlines() if line.startswith("code-syntax.brackets"))
    assert f"{second['value']:.4f} [" in row
    assert f"; {second['difference']:+.4f} [" in row
    assert "Last samples, with the difference to the first run" in write_report([run.load() for run in runs]).html

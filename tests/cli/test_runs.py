"""`seqforge runs`: the table on a terminal and in a pipe, the order, and JSON."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from seqforge.cli import terminal
from seqforge.cli.app import build_app
from seqforge.cli.terminal import Column, print_error, print_table
from seqforge.figures import format_count, format_duration, format_figure
from seqforge.registry.registry import Registry
from seqforge.runs.directory import RunDirectory
from seqforge.runs.metrics_log import MetricsLog

EXPERIMENT = '[experiment]\nname="a"\n[corpus]\nuse="essentials/text"\n[[model.cells]]\nuse="essentials/gru"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with three runs of known values, and one that is damaged."""
    for name, step, bits in (("first", 30, 2.5), ("second", 5, 1.25), ("third", 10, None)):
        run = RunDirectory.create(tmp_path, name, lambda run: None)
        run.experiment.write_text(EXPERIMENT)
        log = MetricsLog(run.metrics)
        log.append("step", step, {"loss": 1.0, "seconds": float(step), "fraction": 0.5})
        log.append("evaluation", step, {"loss": 1.0, "bits_per_character": bits and float(bits), "seconds": step + 0.5})
    MetricsLog(run.path / "history.jsonl").append("ended", 10, {"reason": "step 10: \x1b[31mno", "complete": False})
    RunDirectory.create(tmp_path, "broken", lambda run: None)
    return tmp_path


def invoke(*arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(build_app(Registry([])), ["runs", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def test_the_table_has_a_row_for_each_run_and_names_the_reason_of_a_failure(folder: Path) -> None:
    output, messages = invoke(str(folder), "--sort", "name")
    rows = [line.split() for line in output.splitlines()]
    assert rows[0] == ["run", "corpus", "model", "params", "steps", "time", "best", "state"]
    assert rows[1] == ["broken", "–", "0", "0:00", "–", "damaged"]
    assert rows[2] == ["first", "text", "gru", "–", "30", "0:30", "2.5000", "bits", "interrupted"]
    assert rows[4] == ["third", "text", "gru", "–", "10", "0:10", "1.0000", "loss", "failed"]
    assert "third: failed: step 10: \\x1b[31mno" in messages
    assert "experiment.toml: the file is missing" in messages


def test_the_heading_has_the_unit_of_all_runs_and_a_state_the_progress(folder: Path) -> None:
    with RunDirectory(folder / "first").lock():
        lines = invoke(str(folder / "first"))[0].splitlines()
    assert [line.split() for line in lines] == [
        ["run", "corpus", "model", "params", "steps", "time", "best", "bits/char", "state"],
        ["first", "text", "gru", "–", "30", "0:30", "2.5000", "running", "50%"],
    ]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("best", ["second", "first", "third", "broken"]),
        ("steps", ["broken", "second", "third", "first"]),
        ("state", ["broken", "third", "first", "second"]),
    ],
)
def test_runs_are_sorted_and_those_without_a_value_are_last(order: str, names: list[str], folder: Path) -> None:
    records = json.loads(invoke(str(folder), "--json", "--sort", order)[0])
    assert [Path(record["path"]).name for record in records] == names


def test_a_warning_is_printed_by_the_first_process_and_an_error_by_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        print_error("one\x07", hint="two", kind="warning")
        print_error("three")
    assert capsys.readouterr().err == "warning: one\\x07\ntwo\nerror: three\nerror: three\n"


def test_a_table_fits_a_terminal_and_is_complete_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = [Column("name"), Column("value", is_number=True), Column("state", styles={"failed": "red"})]
    rows = [["x" * 200, "1.25", "failed"], ["漢字\n", "2", "finished"]]
    print_table(columns, rows)
    assert "x" * 200 in capsys.readouterr().out
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=40, color_system=None)
    monkeypatch.setattr("rich.console.Console", lambda **settings: console)
    print_table(columns, rows)
    lines = screen.getvalue().splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 40
    assert lines[1].rstrip() == "x" * 20 + "…   1.25  failed"


def test_the_longest_cells_are_cut_first_and_names_stay_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    for width, shown in ((40, "a" * 19 + "…  " + "b" * 15 + "…"), (50, "a" * 25 + "…  " + "b" * 20)):
        screen = io.StringIO()
        console = Console(file=screen, force_terminal=True, width=width, color_system=None)
        with monkeypatch.context() as patch:
            patch.setattr("rich.console.Console", lambda console=console, **settings: console)
            print_table([Column("one"), Column("two")], [["a" * 30, "b" * 20]])
        assert screen.getvalue().splitlines()[1].rstrip() == shown


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_consoles_print_a_text_as_it_is(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    text = "[b]1 'two'[/b] " * 20
    make = terminal.stdout if name == "stdout" else terminal.stderr
    make.__wrapped__().print(text)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ((f"{text}\n", "") if name == "stdout" else ("", f"{text}\n"))


def test_a_narrow_terminal_leaves_out_optional_columns_before_it_cuts_names(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = [Column("run"), Column("corpus", is_optional=True), Column("steps", is_number=True, is_optional=True)]
    columns += [Column("best", is_number=True), Column("state", styles={})]
    screens: dict[int, list[str]] = {}
    for width in (60, 47, 46, 41, 40):
        screen = io.StringIO()
        console = Console(file=screen, force_terminal=True, width=width, color_system=None)
        with monkeypatch.context() as patch:
            patch.setattr("rich.console.Console", lambda console=console, **settings: console)
            print_table(columns, [["my-experiment", "linux-source", "12,000", "1.2345", "finished"]])
        screens[width] = screen.getvalue().splitlines()
    assert screens[60][1].split() == ["my-experiment", "linux-source", "12,000", "1.2345", "finished"]
    assert screens[47][1].split() == ["my-experiment", "lin…", "12,000", "1.2345", "finished"]
    for width in (46, 41):
        assert screens[width][1].split() == ["my-experiment", "12,000", "1.2345", "finished"]
    assert screens[40][1].split() == ["my-experiment", "1.2345", "finished"]


def test_counts_and_durations_are_short() -> None:
    counts = {
        999: "999",
        1000: "1k",
        85_760: "85.8k",
        999_499: "999k",
        999_600: "1M",
        1_250_000: "1.25M",
        70 * 10**9: "70B",
    }
    assert {number: format_count(number) for number in counts} == counts
    figures = {0.012345: "0.0123", 12.345: "12.3", 999.4: "999", 999.6: "1,000", 4049.9: "4,050", -12345.6: "-12,346"}
    assert {number: format_figure(number) for number in figures} == figures
    assert [format_duration(seconds) for seconds in (0.4, 59.6, 3599, 7510)] == ["0:00", "1:00", "59:59", "2:05:10"]

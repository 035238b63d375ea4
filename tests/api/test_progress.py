"""The progress display: a bar on a terminal, lines elsewhere."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from seqforge import train
from seqforge.api.progress import ProgressDisplay, RunningFigures
from seqforge.events import (
    ENCODED,
    ENCODING,
    Evaluated,
    RunFinished,
    RunStarted,
    Sampled,
    StepFinished,
    Units,
    WorkProgressed,
)
from seqforge.figures import describe_amount


@pytest.fixture(autouse=True)
def every_update_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqforge.api.progress.TERMINAL_SECONDS", 0.0)


UNITS = Units("tokens", "chars", "sample", "sample {run}")


def display(*, terminal: bool, width: int = 80) -> tuple[ProgressDisplay, io.StringIO]:
    output = io.StringIO()
    return ProgressDisplay(Console(file=output, force_terminal=terminal, width=width, color_system=None)), output


def step(number: int) -> StepFinished:
    return StepFinished(number, 0.1, number / 20_000, 1.2, 1.794, 1.0, 0.1, 6400.0, number * 0.1)


def test_no_line_is_broken_inside_a_word() -> None:
    words = "every-word of this description of a corpus stays in one piece on a terminal that is rather narrow"
    progress, output = display(terminal=True, width=30)
    progress.on_run_started(RunStarted("a", Path("runs/a"), {}, words, 12_345, 999, 99, 0, resumed=False, units=UNITS))
    lines = output.getvalue().splitlines()
    assert len(lines) > 4
    assert all(len(line) <= 30 for line in lines)
    assert set(words.split()) <= set(output.getvalue().split())


def test_the_bar_shows_all_its_values_in_80_columns() -> None:
    progress, output = display(terminal=True)
    for number in (10_678, 10_679):
        progress.on_step_finished(step(number))
    assert "training" in output.getvalue()
    assert "step 10,679  1.794 bits/char  64,000 chars/s  -:-- left" not in output.getvalue()
    assert "step 10,679  1.794 bits/char  64,000 chars/s" in output.getvalue()
    assert "…" not in output.getvalue()
    progress.on_work_progressed(WorkProgressed("evaluating", 0.25))
    assert "evaluating" in output.getvalue()
    assert "step 10,679  25%" in output.getvalue()
    progress.close()


def test_the_bar_is_as_long_as_the_finished_part_and_whole_if_that_is_unknown() -> None:
    lengths: dict[float | None, int] = {}
    for fraction in (None, 0.25, 0.5):
        progress, output = display(terminal=True, width=100)
        progress.on_work_progressed(WorkProgressed("reading", fraction, "a text"))
        lengths[fraction] = output.getvalue().count("━", output.getvalue().rindex("reading"))
        progress.close()
    assert lengths[None] > 80
    assert lengths[0.5] == pytest.approx(lengths[None] / 2, abs=1)
    assert lengths[0.25] == pytest.approx(lengths[None] / 4, abs=1)


def test_a_narrow_terminal_leaves_out_the_speed_and_shows_the_time_left() -> None:
    progress, output = display(terminal=True, width=60)
    for number in (10_678, 10_679):
        progress.on_step_finished(step(number))
    progress.close()
    assert "step 10,679  1.794 bits/char  15:32 left" in output.getvalue()
    assert "…" not in output.getvalue()


def test_the_first_steps_have_a_plain_average() -> None:
    progress, output = display(terminal=True)
    for number, loss in enumerate((1.8, 1.2, 1.2, 1.2), start=1):
        progress.on_step_finished(replace(step(number), bits_per_character=loss))
    assert "step 4  1.350 bits/char" in output.getvalue()


def test_without_a_terminal_the_display_prints_lines(
    experiment: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(experiment(training={"steps": 5}), tmp_path, progress=True)
    printed = capsys.readouterr().err
    assert "Model: " in printed
    assert "step 5: validation" in printed
    assert "Done after 5 steps" in printed
    train(experiment(training={"steps": 5}), tmp_path)
    assert capsys.readouterr().err == ""


def test_the_lines_of_a_run_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqforge.api.progress.LINE_SECONDS", -1.0)
    progress, output = display(terminal=False)
    started = RunStarted("a", Path("runs/a"), {}, "a\x07 corpus", 12_345, 9_990, 99, 0, resumed=False, units=UNITS)
    progress.on_work_progressed(WorkProgressed("reading"))
    progress.on_run_started(started)
    for number in (1, 2):
        progress.on_step_finished(step(number))
    progress.on_work_progressed(WorkProgressed("evaluating", 0.25))
    progress.on_evaluated(Evaluated(2, 1.04, 1.5, 2.8, best=True))
    progress.on_evaluated(Evaluated(1_000, 0.5, None, None, best=False, summary=("half are right", "and more")))
    progress.on_sampled(Sampled(2, ("one\x07", "two", "three"), summary=("a sentence",)))
    progress.on_sampled(Sampled(3, ("four",)))
    progress.on_run_finished(RunFinished(Path("runs/a"), 1, "enough", complete=True, seconds=59.96))
    progress.on_run_finished(RunFinished(Path("runs/a"), 2_000, "interrupted", complete=False, seconds=60.0))
    progress.on_run_finished(RunFinished(Path("runs/a"), 2_000, "all steps", complete=True, seconds=60.0))
    more: dict[str, Any] = {"backends": ("LSTM on eager",), "initial": "b", "training_size": 0, "step": 1_000}
    progress.on_run_started(replace(started, resumed=True, **more))
    rules = [line for line in output.getvalue().splitlines() if "─" in line]
    assert [rule.strip("─ ") for rule in rules] == ["sample at step 2", "", "sample at step 3", ""]
    assert [line for line in output.getvalue().splitlines() if line not in rules] == [
        "reading",
        "Corpus: a\\x07 corpus",
        "Model: 12,345 parameters, 9,990 training and 99 validation tokens",
        "Run: runs/a",
        "training: step 1  1.794 bits/char  0 chars/s  -:-- left",
        "training: step 2  1.794 bits/char  64,000 chars/s  33:20 left",
        "evaluating: step 2  25%",
        "step 2: validation 1.500 bits/char (loss 1.0400 nats), the best so far",
        "step 1,000: validation loss 0.5000; half are right; and more",
        "one\\x07",
        "2 more in runs/a/samples",
        "In 3 samples:",
        "a sentence",
        "four",
        "Done after 1 step and 60.0 seconds: enough.",
        "Done after 2,000 steps and 1.0 minutes: all steps.",
        "Corpus: a\\x07 corpus",
        "Model: 12,345 parameters, endless training and 99 validation tokens",
        "Backend: LSTM on eager",
        "Initial weights: b",
        "Resuming at step 1,000: runs/a",
    ]


def test_the_averages_are_plain_first_and_then_moving() -> None:
    figures = RunningFigures()
    for number in range(1, 101):
        event = replace(step(number), bits_per_character=None, loss=2.0 * (number > 1), characters=10.0 * (number > 2))
        figures.update(event)
        if number == 4:
            assert figures.describe(event, "chars").startswith("step 4  1.500 loss  67 chars/s")
            assert figures.describe(event, None).startswith("step 4  1.500 loss  ")
    assert figures.loss == pytest.approx(2 - 2 / 50 * 0.98**50)
    assert figures.describe(step(100), "chars").startswith(f"step 100  {figures.loss:.3f} bits/char  99 chars/s")


@pytest.mark.parametrize(
    ("documents", "size", "line"),
    [
        (1, 10, "Encoded 1 document, 10 bytes.\n"),
        (2, 60_000, "Encoded 2 documents, 60.0 kB.\n"),
        (64_000, 151_960_000, "Encoded 64,000 documents, 152.0 MB.\n"),
    ],
)
def test_the_size_of_a_corpus_has_a_fitting_unit(documents: int, size: int, line: str) -> None:
    progress, output = display(terminal=False)
    progress.on_work_progressed(WorkProgressed(ENCODED, 1.0, describe_amount(documents, "document", size)))
    assert output.getvalue() == line


def test_encoding_shows_its_amount_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqforge.api.progress.time.monotonic", iter(float(second) for second in range(100)).__next__)
    progress, output = display(terminal=True, width=100)
    for megabytes in (0, 30, 60):
        progress.on_work_progressed(WorkProgressed(ENCODING, megabytes / 300, f"2 documents, {megabytes}.0 MB"))
    assert "2 documents, 30.0 MB  0:18 left" in output.getvalue()
    progress.close()

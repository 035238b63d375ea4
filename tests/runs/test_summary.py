"""Summaries of run directories: their state, and directories that are damaged or someone else's."""

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from seqforge import Run, train
from seqforge.errors import RunError
from seqforge.figures import describe_layers
from seqforge.runs.directory import RunDirectory
from seqforge.runs.history import read_history, read_state, record_end
from seqforge.runs.metrics_log import MetricsLog, to_lines
from seqforge.runs.summary import find_runs, summarize_run
from seqforge.storage.files import MAXIMUM_SIZE


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    table = {
        "experiment": {"name": "small"},
        "corpus": {"use": "inline", "text": "the quick brown fox jumps over 13 lazy dogs;\n" * 40},
        "data": {"validation_fraction": 0.2},
        "model": {"cells": [{"use": "lstm", "hidden_size": 6, "repeat": 2}, {"use": "gru", "hidden_size": 4}]},
        "training": {"batch_size": 4, "sequence_length": 16, "steps": 12, "backend": "eager"},
        "evaluation": {"interval": 5},
    }
    from seqforge import Experiment

    return train(Experiment.from_dict(table), tmp_path_factory.mktemp("runs"))


def test_a_run_is_summarized_without_its_model(run: Run) -> None:
    summary = summarize_run(run.path)
    assert (summary.corpus, summary.model, summary.steps) == ("inline", "2×lstm 6, gru 4", 12)
    assert summary.parameters == sum(parameter.numel() for parameter in run.model().parameters())
    values = [row["validation_bits_per_character"] for row in run.losses() if row["validation_loss"] is not None]
    assert len(values) == 3
    assert summary.best[:2] == (min(values), "bits per character")
    assert summary.seconds == read_history(run.path)[-1]["seconds"] >= run.losses()[-1]["seconds"]


def test_the_time_of_a_run_is_that_of_its_end(run: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(run.path, tmp_path / "copy")
    record_end(copy, 12, "reached the end", complete=True, seconds=1234.5)
    assert summarize_run(copy).seconds == 1234.5


def test_the_state_is_that_of_the_lock_and_of_the_last_record(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "a", lambda run: None)
    history = MetricsLog(directory.path / "history.jsonl")
    assert read_state(directory.path) == ("interrupted", "the process was killed")
    states: list[tuple[str, str]] = []
    for reason, complete in (("reached the end", True), ("interrupted by SIGINT", False), ("step 3: no\nhint", False)):
        history.append("started", 0, {})
        with directory.lock():
            assert read_state(directory.path) == ("running", "")
        assert read_state(directory.path)[0] == "interrupted"
        history.append("ended", 0, {"reason": reason, "complete": complete})
        states.append(read_state(directory.path))
    assert states == [
        ("finished", "reached the end"),
        ("interrupted", "interrupted by SIGINT"),
        ("failed", "step 3: no\nhint"),
    ]


def test_training_waits_for_a_reader_of_the_state(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "a", lambda run: None)
    with directory.lock():
        pass
    with (directory.path / ".lock").open() as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        threading.Timer(0.05, fcntl.flock, [reader, fcntl.LOCK_UN]).start()
        with directory.lock():
            pass


def test_reading_the_state_does_not_keep_or_create_a_lock(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "a", lambda run: None)
    read_state(directory.path)
    assert not (directory.path / ".lock").exists()
    with directory.lock():
        pass
    read_state(directory.path)
    with directory.lock():
        pass


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a = ", "experiment.toml: not a TOML file"),
        (b"\xff", "experiment.toml: not a TOML file"),
        (b"[corpus]\nuse = 3\n[[model.cells]]\nuse='b'\n", "corpus.use"),
        (b"[experiment]\nname='a'\n[corpus]\nuse='a'\n[model]\ncells = [3]\n", "model.cells"),
        (b"a = " + b"[" * 100_000, "experiment.toml: not a TOML file"),
        (b"#" * (MAXIMUM_SIZE + 1), "experiment.toml: it is larger than"),
        (b"a = " + b"9" * 5000, "experiment.toml: not a TOML file"),
        (b"a = 0x" + b"f" * 5000, "experiment.toml: an integer has more than 100 digits"),
        (None, "experiment.toml: the file is missing"),
    ],
)
def test_a_damaged_run_is_summarized_with_the_reason(content: bytes | None, reason: str, tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "a", lambda run: None)
    if content is not None:
        directory.experiment.write_bytes(content)
    summary = summarize_run(directory.path)
    assert summary.state == "damaged"
    assert reason in summary.reason
    assert "\n" not in summary.reason


def test_links_and_damaged_lines_are_not_read(run: Run, tmp_path: Path) -> None:
    copy = RunDirectory.create(tmp_path, "copy", lambda run: None)
    copy.experiment.write_bytes(run.directory.experiment.read_bytes())
    best = next(record for record in run.metrics() if record["event"] == "evaluation")
    lines = to_lines([best, best | {"step": 9}]).splitlines(keepends=True)
    copy.metrics.write_bytes(lines[0] + lines[1].replace(b'"loss": ', b'"loss": 0') + b"\xff\n" + b'{"step": 4}\n')
    summary = summarize_run(copy.path)
    assert (summary.steps, summary.parameters) == (5, None)
    copy.metrics.unlink()
    copy.metrics.symlink_to(run.directory.metrics)
    assert summarize_run(copy.path).state == "damaged"


def test_runs_are_found_inside_folders_but_not_inside_runs_or_behind_links(tmp_path: Path) -> None:
    first = RunDirectory.create(tmp_path, "b", lambda run: None).path
    RunDirectory.create(first, "inner", lambda run: None)
    second = RunDirectory.create(tmp_path / "sweep" / "trials", "a", lambda run: None).path
    RunDirectory.create(tmp_path / "1" / "2" / "3", "too-deep", lambda run: None)
    (tmp_path / "link").symlink_to(second)
    (tmp_path / ".new.1-1.tmp").mkdir()  # left by a killed process
    assert list(find_runs(tmp_path)) == [first, second]
    assert not (tmp_path / ".new.1-1.tmp").exists()
    assert list(find_runs(first)) == [first]
    with pytest.raises(RunError, match="no such folder"):
        list(find_runs(tmp_path / "missing"))


@pytest.mark.skipif(os.getuid() == 0 and shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_folders_that_may_not_be_read_are_left_out_with_a_warning(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    paths = [RunDirectory.create(tmp_path, name, lambda run: None).path for name in names]
    paths[0].chmod(0)
    paths[2].chmod(0o400)
    # Root may read and write every file. Without these capabilities, it obeys the permissions as every user does.
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    program = "import sys; from seqforge.runs.summary import *; print(*find_runs(Path(sys.argv[1])))"
    try:
        result = subprocess.run(
            [*drop, sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False
        )
    finally:
        for path in paths:
            path.chmod(0o700)
    assert result.stdout == f"{paths[1]}\n"
    assert result.stderr == f"seqforge: left out, since they cannot be read: {paths[0]}, {paths[2]}\n"


def test_the_cell_inside_of_a_cell_is_described() -> None:
    inner = {"use": "essentials/rg-lru", "hidden_size": 256}
    block, gru = {"use": "essentials/block", "cell": inner}, {"use": "essentials/gru", "hidden_size": 64}
    assert describe_layers([block, block, gru, block]) == "2×block(rg-lru 256), gru 64, block(rg-lru 256)"

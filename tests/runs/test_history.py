"""The history of a run: its starts, its ends, and its state."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqforge import Experiment, Run, train
from seqforge.runs.directory import RunDirectory
from seqforge.runs.history import read_history, read_state, record_end, record_start


def test_history_of_a_run_that_is_resumed(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    run = train(experiment(), tmp_path)
    run.resume(training={"steps": 16})
    history = read_history(run.path)
    assert [(record["event"], record["step"]) for record in history] == [
        ("started", 0),
        ("ended", 12),
        ("started", 12),
        ("ended", 16),
    ]
    assert history[0]["backends"][0].startswith("stack.cells.0: LSTM on eager")
    assert history[0]["parameters"] == sum(parameter.numel() for parameter in run.model().parameters())
    assert history[0]["command"]
    assert read_state(run.path) == ("finished", "reached the end that [training] sets")


def test_state_while_a_run_trains_and_after_it_ended(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    run: Run = train(experiment(), tmp_path)
    with run.directory.lock():
        assert read_state(run.path)[0] == "running"
    history = run.path / "history.jsonl"
    history.write_bytes(history.read_bytes().splitlines(keepends=True)[0])
    assert read_state(run.path) == ("interrupted", "the process was killed")
    record_end(run.path, 12, "interrupted", complete=False, seconds=1.0)
    assert read_state(run.path)[0] == "interrupted"
    record_end(run.path, 12, "the disk is full", complete=False, seconds=1.0)
    assert read_state(run.path) == ("failed", "the disk is full")


@pytest.mark.parametrize(
    ("crash", "reason"),
    [
        ("ctypes.string_at(0)", "the process was killed: Segmentation fault, probably in compiled code of a plugin"),
        ("os.abort()", "the process was killed: Aborted, probably in compiled code of a plugin; .crash has the place"),
        ("os.kill(os.getpid(), 9)", "the process was killed"),
    ],
)
def test_a_crash_of_compiled_code_is_the_reason(crash: str, reason: str, tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "a", lambda run: None)
    record_start(run.path, 0, {})
    code = f"""
import ctypes, os
from pathlib import Path
from seqforge.runs.directory import RunDirectory
with RunDirectory(Path({str(run.path)!r})).lock():
    {crash}
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode < 0
    state, found = read_state(run.path)
    assert (state, found[: len(reason)]) == ("interrupted", reason)
    assert ("plugin" in found) == ("plugin" in reason)
    with run.lock():
        pass
    assert not (run.path / ".crash").exists()


@pytest.mark.parametrize("rest", [b'{"event": "ended", "st', b"\0" * 40])
def test_a_start_follows_a_line_that_a_power_failure_has_cut(rest: bytes, tmp_path: Path) -> None:
    record_start(tmp_path, 0, {})
    with (tmp_path / "history.jsonl").open("ab") as file:
        file.write(rest)
    assert read_state(tmp_path) == ("interrupted", "the process was killed")
    record_start(tmp_path, 4, {})
    record_end(tmp_path, 8, "reached the end", complete=True, seconds=1.0)
    assert [(record["event"], record["step"]) for record in read_history(tmp_path)] == [
        ("started", 0),
        ("started", 4),
        ("ended", 8),
    ]


def test_command_can_be_entered_again_but_has_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = "--storage=postgresql://me:secret@host:5432/sweeps"
    for arguments in (["/lib/seqforge/__main__.py", "run", "my text.toml"], ["/bin/seqforge", "sweep", database]):
        monkeypatch.setattr(sys, "argv", arguments)
        record_start(tmp_path, 0, {})
    assert [record["command"] for record in read_history(tmp_path)] == [
        "python -m seqforge run 'my text.toml'",
        "seqforge sweep '--storage=postgresql://me:…@host:5432/sweeps'",
    ]

"""Files, processes and signals on a Windows that is simulated; see `fake_windows`. `test_simulated` starts it."""

import os
import sys
from pathlib import Path

import pytest

from seqforge.hardware import diagnose_machine
from seqforge.interrupts import STOP_SIGNALS
from seqforge.runs.directory import RunDirectory
from seqforge.runs.history import read_state
from seqforge.storage.cache import load_or_write, open_cache_folder, remove_entry
from seqforge.storage.folders import create_folder, remove_abandoned

FAKE = "tests.systems.fake_windows"

simulated = pytest.mark.skipif(FAKE not in sys.modules, reason=f"needs -p {FAKE}")


@simulated
def test_a_run_that_is_trained_is_known_as_such(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "a", lambda run: None)
    with directory.lock():
        assert read_state(directory.path)[0] == "running"
    assert read_state(directory.path)[0] == "interrupted"
    assert not (directory.path / ".lock").exists()


@simulated
def test_an_entry_of_the_cache_stays_while_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "cache"))

    def write(folder: Path) -> str:
        (folder / "file").write_bytes(b"content")
        return "origin"

    class Opened:
        pass

    entry = open_cache_folder("tokens") / "entry"
    opened = load_or_write(entry, lambda folder: Opened(), write)
    assert not remove_entry(entry)
    assert sorted(path.name for path in entry.iterdir()) == ["file", "manifest.json"]
    del opened
    assert remove_entry(entry)
    assert list(entry.parent.iterdir()) == []


@simulated
def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    living, killed = (tmp_path / f".new.{number}-0.tmp" for number in (os.getppid(), 4194304))
    for folder in (living, killed):
        folder.mkdir()
        (folder / "file").touch()
    create_folder(tmp_path / "new", lambda folder: remove_abandoned(tmp_path) or (folder / "file").touch())
    assert sorted(path.name for path in tmp_path.iterdir()) == [living.name, "new"]


@simulated
def test_the_machine_has_no_load_average_and_other_signals() -> None:
    [threads] = [one.finding for one in diagnose_machine() if one.subject == "threads"]
    assert "load" not in threads
    assert [number.name for number in STOP_SIGNALS] == ["SIGINT", "SIGTERM", "SIGUSR2"]

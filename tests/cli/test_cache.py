"""The commands `seqforge cache list` and `seqforge cache prune`."""

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from typer.testing import CliRunner

from seqforge.cli.app import build_app
from seqforge.registry.registry import Registry
from seqforge.storage.cache import MANIFEST, TAG, hold_entry

Run = Callable[..., CompletedProcess[str]]

EXPERIMENT = """
[corpus]
use = "text"
files = ["text.txt"]
[model]
cells = [{ use = "essentials/rnn", hidden_size = 4 }]
[training]
batch_size = 1
sequence_length = 5
steps = 1
backend = "eager"
"""


@pytest.fixture
def cache(tmp_path: Path, seqforge: Run) -> Path:
    """Return the cache folder after a run, with measured times of a backend that were last used in 2001."""
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    (tmp_path / "text.txt").write_text("abc" * 20)
    assert seqforge("run", "small.toml").returncode == 0
    times = tmp_path / "cache" / "backends" / "times.json"
    times.parent.mkdir(exist_ok=True)
    times.write_text("{}")
    os.utime(times, (1e9, 1e9))
    return tmp_path / "cache"


def test_a_folder_is_used_when_its_files_are(cache: Path, seqforge: Run):
    model = cache / "models" / "some-model"
    model.mkdir(parents=True)
    (model / "weights").write_text("{}")
    for path in (model / "weights", model):
        os.utime(path, (1e9, 1e9))
    entries = json.loads(seqforge("cache", "list", "--json").stdout)
    assert [entry["used"] for entry in entries if entry["kind"] == "models"] == [1e9]


def test_the_list_names_what_an_entry_was_made_from(cache: Path, tmp_path: Path, seqforge: Run):
    result = seqforge("cache", "list")
    assert result.stderr == ""
    first, backends, tokens = result.stdout.splitlines()
    assert re.fullmatch(rf"{cache}: \d[\d.]* (kB|bytes)", first)
    assert re.fullmatch(r"backends +2 bytes  2001-09-09 \d\d:\d\d  measured times of cells, 1 file", backends)
    assert re.fullmatch(
        rf"tokens +(\d\.\d kB|\d+ bytes)  \d{{4}}-\d\d-\d\d \d\d:\d\d  {tmp_path}/text.txt, 60 bytes \(Characters\)",
        tokens,
    )
    entries = json.loads(seqforge("cache", "list", "--json").stdout)
    assert [entry["kind"] for entry in entries] == ["backends", "tokens"]
    assert Path(entries[1]["path"]).is_dir()


def test_prune_removes_old_entries_or_all(cache: Path, seqforge: Run):
    assert (
        seqforge("cache", "prune", "--older-than", "30").stdout.splitlines()[-1] == "Removed: 1 of 1 entries, 2 bytes"
    )
    assert [path.suffix for path in (cache / "backends").iterdir()] == []
    assert len(list((cache / "tokens").glob(f"*/{MANIFEST}"))) == 1
    assert seqforge("cache", "prune").returncode == 0
    assert list((cache / "tokens").glob(f"*/{MANIFEST}")) == []
    assert seqforge("run", "small.toml").returncode == 0


def test_prune_leaves_what_is_in_use(cache: Path, seqforge: Run):
    class User:
        pass

    [manifest] = (cache / "tokens").glob(f"*/{MANIFEST}")
    user = User()
    assert hold_entry(manifest.parent, user)
    result = seqforge("cache", "prune")
    assert result.returncode == 1
    assert f"{manifest.parent}: in use, not removed" in result.stderr
    assert manifest.exists()


def test_an_empty_cache_has_no_entries(seqforge: Run):
    assert seqforge("cache", "list").stdout.endswith("cache: 0 bytes\n")
    assert seqforge("cache", "prune").stdout == "Removed: 0 of 0 entries, 0 bytes\n"


def test_small_entries_are_counted_with_the_last_use_and_old_ones_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, now = tmp_path / "cache" / "backends", 1e9
    times.mkdir(parents=True)
    (tmp_path / "cache" / TAG).touch()
    for name, days in (("one", 29.9), ("two", 30.1), ("three", 40)):
        (times / f"{name}.json").write_text("12345")
        os.utime(times / f"{name}.json", (now - days * 86_400,) * 2)
    monkeypatch.setattr("seqforge.cli.cache.time.time", lambda: now)
    app, runner = build_app(Registry([])), CliRunner()
    last, old = (time.strftime("%Y-%m-%d %H:%M", time.localtime(now - days * 86_400)) for days in (29.9, 30.1))
    line = "backends  {size:>10}  {used}  measured times of cells, {files}"
    assert runner.invoke(app, ["cache", "list"]).stdout.splitlines() == [
        f"{tmp_path}/cache: 15 bytes",
        line.format(size="15 bytes", used=last, files="3 files"),
    ]
    assert runner.invoke(app, ["cache", "prune", "--older-than", "30"]).stdout.splitlines() == [
        line.format(size="10 bytes", used=old, files="2 files"),
        "Removed: 2 of 2 entries, 10 bytes",
    ]
    assert [path.name for path in times.iterdir()] == ["one.json"]

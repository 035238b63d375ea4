"""Entries of the cache: damage, temporary files of dead processes, read-only folders, and removal."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import filelock
import numpy as np
import pytest
from fork_server import call, start_process

from seqforge.data.dataset import _find_earlier as find_earlier
from seqforge.data.dataset import load_token_file
from seqforge.data.token_file import TokenFile
from seqforge.errors import RunError
from seqforge.events import WorkProgressed
from seqforge.storage.cache import (
    EntryManifest,
    hold_entry,
    list_entries,
    open_cache_folder,
    read_entry,
    remove_entry,
)
from seqforge.storage.locks import hold_lock
from seqforge.storage.paths import CACHE_VARIABLE
from seqforge.storage.records import MANIFEST, DamagedFileError, describe_files, parse_sealed_json, to_sealed_json

NOBODY = 65534


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the cache folder of encoded corpora."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cached"))
    return tmp_path / "cached" / "tokens"


def load(made: ModuleType, documents: dict[str, str]) -> TokenFile:
    return load_token_file(made.Documents(documents), made.VOCABULARIES["characters"](), {}, lambda _: None)


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_an_entry_that_is_incomplete_or_cannot_be_read_is_no_earlier_one(made: ModuleType, tokens: Path):
    load(made, {"a": "abc"})
    (entry,) = (path for path in tokens.iterdir() if path.is_dir())
    encoder = entry.name.partition("-")[0]
    assert find_earlier(tokens / f"{encoder}-new") is not None
    shutil.copytree(entry, tokens / f"{encoder}-other.{os.getpid()}.tmp")
    (tokens / f"{encoder}-removed").mkdir()
    shutil.rmtree(entry)
    assert find_earlier(tokens / f"{encoder}-new") is None


@pytest.mark.parametrize("bit", [0, 6, 7, 8 * 500 + 1])
def test_a_flipped_bit_in_the_tokens_is_detected_and_the_corpus_encoded_again(
    made: ModuleType, tokens: Path, bit: int, capfd: pytest.CaptureFixture[str]
):
    file = load(made, made.TEXTS)
    undamaged = file.map().read().tolist()
    flip(file.folder / "tokens.bin", bit)
    assert load(made, made.TEXTS).map().read().tolist() == undamaged
    assert capfd.readouterr().err == (
        f"seqforge: {file.folder}: tokens.bin: damaged: its content does not match its checksum; making it again\n"
    )
    assert load(made, made.TEXTS).map().read().tolist() == undamaged
    assert capfd.readouterr().err == ""


def reseal(folder: Path) -> None:
    """Write a manifest that fits the files of an entry."""
    (folder / MANIFEST).unlink(missing_ok=True)
    files = describe_files(folder.iterdir())
    EntryManifest(files=files, origin="").write(folder / MANIFEST)


def test_a_flipped_bit_in_any_byte_of_any_file_is_detected(made: ModuleType, tokens: Path):
    file = load(made, {"a": "ab", "b": "ba€"})
    manifest = parse_sealed_json((file.folder / MANIFEST).read_bytes())
    assert set(manifest["files"]) == {path.name for path in file.folder.iterdir()} - {MANIFEST}
    for path in sorted(file.folder.iterdir()):
        whole = path.read_bytes()
        for place in range(len(whole)):
            flip(path, 8 * place + place % 8)
            with pytest.raises(DamagedFileError):
                read_entry(file.folder, TokenFile.open)
            path.write_bytes(whole)


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (b"", "manifest.json: damaged: it does not end with a checksum"),
        ({"version": 1, "files": {}}, "manifest.json: format version 1; this program reads version 2"),
        ({"version": 2, "files": {"a": {"size": -1, "checksum": ""}}, "origin": ""}, "manifest.json: damaged: "),
        ({"version": 2, "files": {"../a": {"size": 1, "checksum": ""}}, "origin": ""}, "manifest.json: damaged: "),
        ({"version": 2, "files": {"a": {"size": 1, "checksum": ""}}, "origin": ""}, "a: the file is missing"),
        (None, "manifest.json: the file is missing"),
    ],
)
def test_a_damaged_manifest_is_damage(
    made: ModuleType, tokens: Path, content: bytes | dict[str, Any] | None, damage: str
):
    file = load(made, made.TEXTS)
    if content is None:
        (file.folder / MANIFEST).unlink()
    else:
        (file.folder / MANIFEST).write_bytes(content if isinstance(content, bytes) else to_sealed_json(content))
    with pytest.raises(DamagedFileError) as caught:
        read_entry(file.folder, TokenFile.open)
    assert caught.value.reason.startswith(damage)
    assert load(made, made.TEXTS).length == file.length


def test_the_verification_of_a_large_entry_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(bytes(1000))
    reseal(tmp_path)
    events: list[Any] = []
    names = read_entry(tmp_path, lambda folder: {path.name for path in folder.iterdir()}, events.append)
    assert names == {"a", "b", MANIFEST}
    assert events == []
    monkeypatch.setattr("seqforge.storage.cache.REPORTED_SIZE", 1000)
    read_entry(tmp_path, lambda folder: {*folder.iterdir()}, events.append)
    assert events == [WorkProgressed("verifying the cache", 0.0), WorkProgressed("verifying the cache", 0.5)]


def test_the_temporary_files_of_killed_processes_are_removed_when_the_cache_is_opened(made: ModuleType, tokens: Path):
    process = start_process(call, dict(os.environ), made.exit_while_encoding)
    process.join(timeout=120)
    assert process.exitcode == 9
    [abandoned] = tokens.glob("*.tmp")
    small = tokens / ".times.json.4194304.tmp"  # larger than any process identifier
    own = tokens / f".times.json.{os.getpid()}.tmp"
    small.touch()
    own.touch()
    load(made, {"other": "another corpus"})
    assert not abandoned.exists()
    assert not small.exists()
    assert own.exists()


def test_the_temporary_files_of_a_living_process_stay(made: ModuleType, tokens: Path):
    command = [sys.executable, made.__file__, "wait_while_encoding"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "encoding\n"
        [temporary] = tokens.glob("*.tmp")
        load(made, {"other": "another corpus"})
        assert temporary.exists()
        assert not remove_entry(temporary)
        process.communicate("continue\n", timeout=60)
    assert process.returncode == 0
    assert not temporary.exists()
    assert len(list_entries()) == 2


@contextlib.contextmanager
def unprivileged(folder: Path) -> Generator[None]:
    """Remove the right to write below a folder, also from the superuser."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)


@contextlib.contextmanager
def privileged() -> Generator[None]:
    """Return to the user who runs the tests."""
    user = os.geteuid()
    os.seteuid(os.getuid())
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a cache folder that every user can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    monkeypatch.setenv(CACHE_VARIABLE, str(folder / "cache"))
    yield folder / "cache"
    shutil.rmtree(folder)


def test_a_complete_entry_in_a_read_only_cache_is_used(made: ModuleType, shared: Path):
    file = load(made, made.TEXTS)
    (file.folder.parent / "abandoned.tmp").mkdir()
    (file.folder.parent / "abandoned.lock").touch()
    with unprivileged(shared):
        assert load(made, made.TEXTS).folder == file.folder
        with pytest.raises(RunError) as caught:
            load(made, {"other": "another corpus"})
    assert caught.value.message.startswith(f"encoding the corpus into {shared / 'tokens'}: ")
    assert caught.value.message.endswith("Permission denied")
    assert f"Set {CACHE_VARIABLE} to use another cache folder." in (caught.value.hint or "")


def test_an_entry_that_may_not_be_read_is_named(made: ModuleType, shared: Path):
    file = load(made, made.TEXTS)
    with unprivileged(shared):
        path = file.folder / "tokens.bin"
        with privileged():
            path.chmod(0)
        with pytest.raises(RunError) as caught:
            load(made, made.TEXTS)
    assert caught.value.message == f"reading the cache: {path}: Permission denied"


def test_a_file_in_the_place_of_an_entry_is_replaced(made: ModuleType, tokens: Path, capfd: pytest.CaptureFixture[str]):
    file = load(made, made.TEXTS)
    shutil.rmtree(file.folder)
    file.folder.touch()
    assert load(made, made.TEXTS).length == file.length
    assert "making it again" in capfd.readouterr().err


def test_the_list_names_origin_size_and_last_use(made: ModuleType, tokens: Path):
    file = load(made, made.TEXTS)
    os.utime(file.folder / MANIFEST, (1e9, 1e9))
    times = open_cache_folder("backends") / "times.json"
    times.write_text("{}")
    os.utime(times, (1.5e9, 1e9))
    other, entry = list_entries()
    assert (entry.kind, entry.path, entry.origin) == ("tokens", file.folder, "20 documents (Characters)")
    assert entry.size == sum(path.stat().st_size for path in file.folder.iterdir())
    assert entry.used == 1e9
    assert (other.kind, other.path, other.origin, other.size, other.used) == ("backends", times, "", 2, 1.5e9)
    load(made, made.TEXTS)
    assert list_entries()[1].used > 1.7e9


def test_an_entry_that_is_removed_meanwhile_is_not_listed(
    made: ModuleType, tokens: Path, monkeypatch: pytest.MonkeyPatch
):
    removed, kept = load(made, made.TEXTS).folder, load(made, {"other": "another corpus"}).folder
    find = Path.rglob

    def find_and_remove(path: Path, pattern: str) -> list[Path]:
        found = list(find(path, pattern))
        if path == removed:
            shutil.rmtree(path)
        return found

    monkeypatch.setattr(Path, "rglob", find_and_remove)
    assert [entry.path for entry in list_entries()] == [kept]


def test_an_entry_that_was_used_while_the_clock_was_ahead_counts_as_used_now(made: ModuleType, tokens: Path):
    manifest = load(made, made.TEXTS).folder / MANIFEST
    times = open_cache_folder("backends") / "times.json"
    times.write_text("{}")
    before = time.time() - 1
    for path in (manifest, times):
        os.utime(path, (4e9, 4e9))
    assert all(before <= entry.used <= time.time() for entry in list_entries())
    assert all(before <= path.stat().st_mtime <= time.time() for path in (manifest, times))


def test_an_entry_in_use_is_not_removed(made: ModuleType, tokens: Path):
    used, unused = load(made, made.TEXTS), load(made, {"other": "another corpus"}).folder
    assert remove_entry(unused)
    assert not remove_entry(used.folder)
    folder = used.folder
    assert np.count_nonzero(used.map().read()) > 0
    del used
    assert remove_entry(folder)
    assert list_entries() == []


def test_a_lock_file_exists_only_while_a_process_holds_or_awaits_it(tmp_path: Path):
    lock, held = tmp_path / "entry.lock", list[int]()

    def hold() -> None:
        with hold_lock(lock, remove=True):
            held.append(1)
            assert len(held) == 1
            assert lock.exists()
            with hold_lock(lock, seconds=0, remove=True) as second:
                assert not second
            time.sleep(0.005)
            held.pop()

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(hold) for _ in range(12)]:
            future.result()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_file_of_a_killed_process_is_removed_when_the_cache_is_opened(made: ModuleType, tokens: Path):
    open_cache_folder("tokens")
    for name in ("abandoned", "held"):
        (tokens / f"{name}.lock").touch()
    with filelock.FileLock(tokens / "held.lock"):
        load(made, made.TEXTS)
        assert [path.name for path in tokens.glob("*.lock")] == ["held.lock"]
    load(made, made.TEXTS)
    assert not list(tokens.glob("*.lock"))


def test_an_entry_that_is_being_removed_cannot_be_used(made: ModuleType, tokens: Path):
    folder = load(made, made.TEXTS).folder
    assert not hold_entry(folder / "missing", made.Documents({}))
    with filelock.FileLock(f"{folder}.lock"):
        assert not remove_entry(folder)
    assert remove_entry(folder)
    assert load(made, made.TEXTS).folder == folder

"""A run directory is complete as soon as it has its name. What killed processes leave is removed at the next start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqforge.errors import RunError
from seqforge.runs.directory import RunDirectory
from seqforge.storage.folders import create_folder, discard_folder, remove_unless_locked, replace_folder
from seqforge.storage.locks import try_lock

CHILD = """
import os, sys
from pathlib import Path
from seqforge.storage.folders import create_folder

def fill(path):
    (path / "file").touch()
    print("filling", flush=True)
    if not sys.stdin.readline():
        os._exit(9)

create_folder(Path(sys.argv[1], "run"), fill, numbered=True)
"""


def fill(path: Path) -> None:
    (path / "file").touch()


def test_a_folder_is_replaced_or_stays(tmp_path: Path) -> None:
    old, new = create_folder(tmp_path / "a", fill), create_folder(tmp_path / "b", fill)
    (new / "more").touch()
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "missing", old)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "file", "file", "more"]
    assert replace_folder(new, old) == old
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "file", "more"]
    discard_folder(old)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_in_use_is_not_removed(tmp_path: Path) -> None:
    folder = create_folder(tmp_path / "a", fill)
    descriptor = try_lock(folder, shared=True)
    assert descriptor is not None
    assert not remove_unless_locked(folder)
    assert (folder / "file").exists()
    os.close(descriptor)
    assert remove_unless_locked(folder)
    assert not folder.exists()


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    parent = tmp_path
    paths = [create_folder(parent / "run", fill, numbered=True) for _ in range(2)]
    (parent / "run-3").mkdir()  # also that of an empty folder, a file or a link
    (parent / "run-4").touch()
    (parent / "run-5").symlink_to("missing")
    paths.append(create_folder(parent / "run", fill, numbered=True))
    assert [path.name for path in paths] == ["run", "run-2", "run-6"]
    assert all((path / "file").exists() for path in paths)
    assert not list((parent / "run-3").iterdir())
    with pytest.raises(FileExistsError):
        create_folder(parent / "run-3", fill)
    assert not list(parent.glob(".*"))


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        fill(path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create_folder(tmp_path / "run", fail)
    with pytest.raises(RunError, match=r"creating a run directory in .*: the disk is full"):
        RunDirectory.create(tmp_path, "run", lambda run: run.experiment.write_bytes(bytes(1)) and _full_disk())
    assert list(tmp_path.iterdir()) == []


def _full_disk() -> None:
    raise OSError(28, "No space left on device")


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "filling\n"
        [temporary] = tmp_path.iterdir()
        assert create_folder(tmp_path / "run", fill, numbered=True).name == "run"
        assert (temporary / "file").exists()
        process.communicate("continue\n")
    assert process.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"run", "run-2"}
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
    assert len(list(tmp_path.iterdir())) == 3
    # A name that this program does not give stays, as does a link.
    (tmp_path / ".notes.tmp").mkdir()
    (tmp_path / f".new.{os.getpid()}-7.tmp").symlink_to(tmp_path / "run")
    create_folder(tmp_path / "run", fill, numbered=True)
    expected = {"run", "run-2", "run-3", ".notes.tmp", f".new.{os.getpid()}-7.tmp"}
    assert {path.name for path in tmp_path.iterdir()} == expected

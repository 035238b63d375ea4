"""Atomic writes, bounded reads, and errors of the file system."""

import errno
import os
import resource
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from seqforge.errors import RunError
from seqforge.storage.files import (
    MAXIMUM_SIZE,
    check_output,
    checksum_file,
    open_regular,
    read_bounded,
    reported_failures,
    sync_folder,
    write_atomically,
)


def test_a_file_is_written_and_replaced(tmp_path: Path):
    path = tmp_path / "state.json"
    for content in (b"first", b"", b"third\x00\xff"):
        write_atomically(path, content)
        assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "state.json"
    write_atomically(path, b"old")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_atomically(path, b"new" * 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path):
    path = tmp_path / "state.json"
    path.mkdir()
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        write_atomically(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_syncing_a_missing_folder_is_an_error(tmp_path: Path):
    sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "missing")


@pytest.mark.parametrize(
    ("number", "reason", "hint"),
    [
        (errno.ENOSPC, "the disk is full", "Free some space. Continue with --resume."),
        (errno.EDQUOT, "the disk is full", "Free some space. Continue with --resume."),
        (
            errno.EACCES,
            "/some/file: Permission denied",
            "Check the owner and the permissions of the file and of its folders. Continue with --resume.",
        ),
        (errno.EROFS, "/some/file: Read-only file system", "Continue with --resume."),
    ],
)
def test_an_os_error_becomes_a_run_error_with_a_hint(number: int, reason: str, hint: str):
    with pytest.raises(RunError) as caught, reported_failures("writing the checkpoint", "Continue with --resume."):
        raise OSError(number, os.strerror(number), "/some/file")
    assert caught.value.message == f"writing the checkpoint: {reason}"
    assert caught.value.hint == hint
    assert isinstance(caught.value.__cause__, OSError)


def test_a_file_where_a_folder_belongs_is_named(tmp_path: Path):
    (tmp_path / "cache").touch()
    for folder in (tmp_path / "cache" / "tokens", tmp_path / "cache" / "tokens" / "a", tmp_path / "cache"):
        with pytest.raises(RunError) as caught, reported_failures(f"encoding into {folder}", "Set another folder."):
            folder.mkdir(parents=True, exist_ok=True)
        place = "" if folder.name == "cache" else f"{tmp_path}/cache: "
        assert caught.value.message == f"encoding into {folder}: {place}it is a file, not a folder"
        assert caught.value.hint == "Set another folder."


def test_a_failure_names_the_file_once_and_not_its_temporary_name(tmp_path: Path):
    path = tmp_path / "missing" / "state.json"
    with pytest.raises(RunError) as caught, reported_failures(f"writing {path}"):
        write_atomically(path, b"new")
    assert caught.value.message == f"writing {path}: No such file or directory"


def test_a_run_error_may_have_no_hint():
    with pytest.raises(RunError) as caught, reported_failures("writing"):
        raise OSError("odd")
    assert (caught.value.message, caught.value.hint) == ("writing: odd", None)


def test_other_exceptions_are_not_changed():
    with pytest.raises(ZeroDivisionError), reported_failures("writing"):
        1 / 0  # noqa: B018


def test_a_large_file_is_an_error_that_names_it(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_bytes(b" " * MAXIMUM_SIZE + b"1")
    with pytest.raises(OSError, match="larger than 16,777,216 bytes") as caught:
        read_bounded(path)
    assert caught.value.filename == str(path)


def make_link(path: Path) -> None:
    target = path.with_name("target")
    target.write_bytes(b"secret")
    path.symlink_to(target)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


IRREGULAR: dict[str, tuple[str, Callable[[Path], None]]] = {
    "link": ("a symbolic link", make_link),
    "dangling": ("a symbolic link", lambda path: path.symlink_to(path.with_name("missing"))),
    "loop": ("a symbolic link", lambda path: path.symlink_to(path)),
    "link to a device": ("a symbolic link", lambda path: path.symlink_to("/dev/zero")),
    "pipe": ("a pipe", os.mkfifo),
    "folder": ("a folder", Path.mkdir),
    "socket": ("a socket", make_socket),
}


@pytest.mark.parametrize(("kind", "make"), IRREGULAR.values(), ids=IRREGULAR.keys())
def test_only_regular_files_are_opened(kind: str, make: Callable[[Path], None], tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    path = Path("file")
    make(path)
    before = {entry.name: entry.lstat().st_mtime_ns for entry in Path().iterdir()}
    for read in (open_regular, read_bounded, checksum_file):
        with pytest.raises(OSError, match=f"it is {kind}, not a regular file") as caught:
            read(path)
        assert caught.value.filename == "file"
    with pytest.raises(OSError, match=f"it is {kind}, not a regular file"):
        open_regular(path, "ab")
    assert {entry.name: entry.lstat().st_mtime_ns for entry in Path().iterdir()} == before


def test_a_link_is_followed_only_on_request_and_only_to_a_regular_file(tmp_path: Path):
    path = tmp_path / "link"
    make_link(path)
    assert read_bounded(path, follow_symlinks=True) == b"secret"
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match="it is a device, not a regular file"):
        read_bounded(path, follow_symlinks=True)


def test_a_small_file_needs_little_memory_under_a_high_limit(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"small")
    assert read_bounded(tmp_path / "file", 1 << 55) == b"small"


def test_appending_creates_and_extends_a_file(tmp_path: Path):
    path = tmp_path / "log"
    for _ in range(2):
        with open_regular(path, "ab") as file:
            file.write(b"line\n")
    assert path.read_bytes() == b"line\nline\n"


@pytest.mark.parametrize(("kind", "make"), IRREGULAR.values(), ids=IRREGULAR.keys())
def test_only_regular_files_are_replaced(kind: str, make: Callable[[Path], None], tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("page.html")
    make(path)
    before = {entry.name: entry.lstat().st_ino for entry in Path().iterdir()}
    with pytest.raises(OSError, match=f"it is {kind}, not a regular file"):
        write_atomically(path, b"new")
    with pytest.raises(RunError, match=f"^writing page.html: it is {kind}, not a regular file\nChoose another file.$"):
        check_output(path)
    assert {entry.name: entry.lstat().st_ino for entry in Path().iterdir()} == before


@pytest.mark.skipif(os.getuid() != 0, reason="only root can create a device")
def test_a_device_is_not_replaced(tmp_path: Path):
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except OSError:
        pytest.skip("no device can be created here")
    with pytest.raises(OSError, match="it is a device, not a regular file"):
        write_atomically(device, b"new")
    assert device.is_char_device()


def test_writing_does_not_follow_a_link_at_the_temporary_name(tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"victim")
    path = tmp_path / "state.json"
    (tmp_path / f".state.json.{os.getpid()}.tmp").symlink_to(victim)
    write_atomically(path, b"new")
    assert (victim.read_bytes(), path.read_bytes()) == (b"victim", b"new")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["state.json", "victim"]

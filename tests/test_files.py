"""Atomic writes, errors of the file system, the home and cache folders, and bounded reads of JSON."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqforge.errors import RunError
from seqforge.files import (
    CACHE_VARIABLE,
    MAXIMUM_SIZE,
    cache_folder,
    checksum_file,
    expand_home,
    read_json,
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
    # The temporary file is a link to a device that is always full.
    (tmp_path / f".state.json.{os.getpid()}.tmp").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path):
    path = tmp_path / "state.json"
    path.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
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
        (errno.EACCES, "Permission denied", "Continue with --resume."),
        (errno.EROFS, "Read-only file system", "Continue with --resume."),
    ],
)
def test_an_os_error_becomes_a_run_error_with_a_hint(number: int, reason: str, hint: str):
    with pytest.raises(RunError) as caught, reported_failures("writing the checkpoint", "Continue with --resume."):
        raise OSError(number, os.strerror(number), "/some/file")
    assert caught.value.message == f"writing the checkpoint: {reason}"
    assert caught.value.hint == hint
    assert isinstance(caught.value.__cause__, OSError)


def test_a_run_error_may_have_no_hint():
    with pytest.raises(RunError) as caught, reported_failures("writing"):
        raise OSError("odd")
    assert (caught.value.message, caught.value.hint) == ("writing: odd", None)


def test_other_exceptions_are_not_changed():
    with pytest.raises(ZeroDivisionError), reported_failures("writing"):
        1 / 0  # noqa: B018


def test_a_leading_tilde_is_the_home_directory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert expand_home("~/a") == Path("/home/someone/a")
    assert expand_home("a/~") == Path("a/~")


def test_the_home_directory_of_an_unknown_user_is_an_error(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="~nobody-of-this-name/a: there is no user of that name"):
        expand_home("~nobody-of-this-name/a")
    monkeypatch.setenv(CACHE_VARIABLE, "~nobody-of-this-name/a")
    with pytest.raises(RunError, match=f"{CACHE_VARIABLE}: ~nobody-of-this-name/a: there is no user"):
        cache_folder()


def test_json_is_read(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text('{"a": ["ß", 1, null]}', encoding="utf-8")
    assert read_json(path) == {"a": ["ß", 1, None]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b" " * MAXIMUM_SIZE + b"1", "larger than 16,777,216 bytes"),
        (b"\xff", "can't decode"),
        (b"{", "Expecting"),
    ],
    ids=["deep", "large", "not UTF-8", "cut"],
)
def test_invalid_or_large_json_is_a_value_error(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_json(path)


@given(content=st.binary(min_size=1, max_size=300), data=st.data())
def test_a_flipped_bit_changes_the_checksum(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
):
    path = tmp_path_factory.mktemp("checksum") / "file"
    path.write_bytes(content)
    before = checksum_file(path)
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    path.write_bytes(bytes(byte ^ (1 << bit % 8) * (index == bit // 8) for index, byte in enumerate(content)))
    assert checksum_file(path) != before

"""Files and folders: bounded reads, and atomic writes.

The functions that open a file neither follow a link nor open a pipe or a device, because a run directory may come from
someone else.
"""

import contextlib
import errno
import json
import math
import os
import stat
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any, Literal, Never, cast

import xxhash

from seqforge.errors import RunError

MAXIMUM_SIZE = 16 * 1024 * 1024
"""Largest size in bytes of a file that is read whole."""

REGULAR_FILE, FOLDER, LINK = "a regular file", "a folder", "a symbolic link"

_KINDS = {
    stat.S_IFREG: REGULAR_FILE,
    stat.S_IFDIR: FOLDER,
    stat.S_IFLNK: LINK,
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def kind_of(mode: int) -> str:
    """Return the kind of a file from its `st_mode`, in words."""
    return _KINDS.get(stat.S_IFMT(mode), "a device")


@contextlib.contextmanager
def open_folder(path: Path, root: Path | None = None) -> Generator[int]:
    """Yield a descriptor of a folder, for the argument `dir_fd` of the functions of `os`.

    Nothing that happens to the path afterwards, such as its replacement by a link, changes what the descriptor refers
    to.

    Args:
        path: The folder.
        root: Folder that the user named and that contains `path`. No part of the path below it may be a link. By
            default, the folder itself.

    Raises:
        OSError: If it cannot be opened, or if a part of the path is a link.
    """
    root = root or path
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        place = root
        for name in path.relative_to(root).parts:
            place = place / name
            inner = _open_at(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def open_regular(
    path: Path,
    mode: Literal["rb", "ab", "xb"] = "rb",
    *,
    root: Path | None = None,
    follow_symlinks: bool = False,
) -> IO[bytes]:
    """Open a regular file to read it, append to it, or create it. Opening never waits, as it would for a pipe.

    Args:
        path: The file.
        mode: Mode of the built-in `open`.
        root: Folder that the user named and that contains the file. No folder between them may be a link.
        follow_symlinks: Whether the path may be a symbolic link. It may for files that the user names.

    Raises:
        OSError: If the file cannot be opened, or is a link, a folder, a pipe or a device.
    """
    if root is None:
        return _open_regular_at(path, mode, None, follow_symlinks=follow_symlinks)
    with open_folder(path.parent, root) as folder:
        return _open_regular_at(path, mode, folder)


def _open_regular_at(path: Path, mode: str, folder: int | None, *, follow_symlinks: bool = False) -> IO[bytes]:
    """Open a regular file: the name of the path in an open folder, or the whole path."""

    def open_checked(_: str, flags: int) -> int:
        descriptor = _open_at(path, flags | os.O_NONBLOCK | (0 if follow_symlinks else os.O_NOFOLLOW), folder)
        try:
            _check_regular(os.fstat(descriptor).st_mode, path)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    return cast("IO[bytes]", open(path, mode, opener=open_checked))


def _open_at(path: Path, flags: int, folder: int | None) -> int:
    try:
        return os.open(path if folder is None else path.name, flags, 0o666, dir_fd=folder)
    except OSError as error:
        is_link = flags & os.O_NOFOLLOW and error.errno in (errno.ELOOP, errno.EMLINK, errno.ENOTDIR)
        if is_link and path.is_symlink():
            raise OSError(errno.ELOOP, f"it is {LINK}, which is not followed here", str(path)) from error
        error.filename = str(path)
        raise


def write_atomically(path: Path, content: bytes, *, root: Path | None = None) -> None:
    """Write a file in an existing folder: write it under a temporary name, sync it to disk, and rename it.

    A link, a pipe or a device, such as `/dev/null`, is not replaced.

    Args:
        path: The file.
        content: Its content.
        root: Folder that the user named and that contains the file. No folder between them may be a link.

    Raises:
        OSError: If the file cannot be written. Then the old file is unchanged.
    """
    try:
        with open_folder(path.parent, root) as folder:
            _replace_at(path, content, folder)
            os.fsync(folder)
    except OSError as error:
        if error.filename is not None and error.errno != errno.ELOOP:  # The name may be the temporary one.
            error.filename, error.filename2 = str(path), None
        raise


def _replace_at(path: Path, content: bytes, folder: int) -> None:
    name = temporary_name(path)
    with contextlib.suppress(FileNotFoundError):
        _check_regular(os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode, path)
    try:
        # A killed process with the same id may have left this file; in containers, ids often repeat.
        _remove_file(name, folder)
        with _open_regular_at(path.with_name(name), "xb", folder) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            _remove_file(name, folder)
        raise


def _check_regular(mode: int, path: Path) -> None:
    kind = kind_of(mode)
    if kind != REGULAR_FILE:
        raise OSError(errno.EISDIR if kind == FOLDER else errno.EINVAL, f"it is {kind}, not {REGULAR_FILE}", str(path))


def check_output(path: Path) -> None:
    """Check that a file can be created or replaced, before a long computation of its content.

    Raises:
        RunError: If its folder does not exist, or if it is not a regular file.
    """
    if not path.absolute().parent.is_dir():
        raise RunError(f"{path}: the folder {path.parent} does not exist", hint="Create it, or choose another file.")
    with reported_failures(f"writing {path}", "Choose another file."), contextlib.suppress(FileNotFoundError):
        _check_regular(path.lstat().st_mode, path)


def temporary_name(path: Path) -> str:
    """Return the name under which this process writes a file or a folder before it is complete."""
    return f".{path.name}.{os.getpid()}.tmp"


def _remove_file(name: str, folder: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def sync_folder(folder: Path) -> None:
    """Sync a folder to disk, so that renames inside it are durable."""
    with open_folder(folder) as descriptor:
        os.fsync(descriptor)


@contextlib.contextmanager
def reported_failures(action: str, hint: str = "", python_hint: str = "") -> Generator[None]:
    """Convert an OSError inside the block, such as that of a full disk, to an error that a user can act on.

    Args:
        action: What the block does, such as "writing the checkpoint runs/a/checkpoints/step-100".
        hint: What the failure means for the run, and what the user should do.
        python_hint: The same for Python, if it is written differently there.

    Raises:
        RunError: If the block raises an OSError.
    """
    try:
        yield
    except OSError as error:
        raise describe_failure(error, action, hint, python_hint) from error


def describe_failure(error: OSError, action: str = "", hint: str = "", python_hint: str = "") -> RunError:
    """Return an OSError as an error that names the file, the reason, and what the user can do.

    Args:
        error: The error of the file system.
        action: What failed, such as "writing runs/a/metrics.jsonl".
        hint: What the failure means, and what the user should do.
        python_hint: The same for Python, if it is written differently there.
    """
    place = str(error.filename or "")
    reason, advice = error.strerror or str(error), ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            place, reason, advice = "", "the disk is full", "Free some space."
        case errno.EACCES | errno.EPERM:
            advice = "Check the owner and the permissions of the file and of its folders."
        case errno.ENAMETOOLONG:
            place = f"{place[:100]}…"
        case errno.ENOTDIR | errno.EEXIST:
            # The system names the path that it was given, which leads through the file.
            obstacles = (parent for parent in (Path(place), *Path(place).parents) if parent.is_file())
            if obstacle := next(obstacles, None):
                place, reason, advice = str(obstacle), "it is a file, not a folder", ""
                advice = "" if hint else "Move it, or use another folder."
        case _:
            pass
    message = ": ".join(filter(None, [action, "" if action.endswith(f" {place}") else place, reason]))
    for_command, for_python = (" ".join(filter(None, [advice, one])) or None for one in (hint, python_hint or hint))
    return RunError(message, hint=for_command, python_hint=for_python)


def read_bounded(
    path: Path, maximum_size: int = MAXIMUM_SIZE, *, root: Path | None = None, follow_symlinks: bool = False
) -> bytes:
    """Return the content of a regular file of at most `maximum_size` bytes; see `open_regular`.

    Raises:
        OSError: If the file cannot be read, is larger than the limit, or is a link, a pipe or a device.
    """
    with open_regular(path, root=root, follow_symlinks=follow_symlinks) as file:
        # A call of `read` requests the memory for all bytes that it may return.
        content = file.read(min(os.fstat(file.fileno()).st_size, maximum_size) + 1)
    if len(content) > maximum_size:
        raise OSError(errno.EFBIG, f"it is larger than {maximum_size:,} bytes", str(path))
    return content


def checksum_file(path: Path, *, root: Path | None = None) -> str:
    """Return the checksum of a regular file, as 32 hexadecimal digits, at several gigabytes per second.

    Args:
        path: The file.
        root: Folder that the user named and that contains the file. No folder between them may be a link.

    Raises:
        OSError: If the file cannot be read, or is a link, a pipe or a device.
    """
    checksum = xxhash.xxh3_128()
    with open_regular(path, root=root) as file:
        while piece := file.read(1 << 20):
            checksum.update(piece)
    return checksum.hexdigest()


def read_json(path: Path, *keys: str) -> dict[str, Any]:
    """Return the object in a JSON file, which has at least the given keys.

    Raises:
        OSError: If the file cannot be read; see `read_bounded`.
        ValueError: If its content is not an object, lacks a key, or is refused by `parse_json`.
    """
    values = parse_json(read_bounded(path))
    if not isinstance(values, dict):
        raise ValueError("it is not an object")
    for key in keys:
        if key not in values:
            raise ValueError(f"it has no {key!r}")
    return cast("dict[str, Any]", values)


def parse_json(content: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: If the text is not UTF-8, not JSON, or nested too deeply, or if a number is infinite, is not a
            number, or is an integer of more than 64 bits.
    """
    try:
        return json.loads(content.decode(), parse_float=_finite, parse_int=_integer, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _integer(text: str) -> int:
    # The length is compared first, since Python refuses to convert thousands of digits.
    if len(text) <= 20 and -(2**63) <= (number := int(text)) < 2**63:
        return number
    return _no_number(text)


def _no_number(text: str) -> Never:
    raise ValueError(f"the number {text[:20]}{'…' * (len(text) > 20)} is too large or not a number")

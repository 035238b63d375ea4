"""Files: bounded reads, atomic writes, and errors of the file system as a user can act on them.

The functions that open a file neither follow a link nor open a pipe or a device, because a run directory may come from
someone else.
"""

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Generator
from pathlib import Path
from typing import IO, Literal

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


def open_regular(path: Path, mode: Literal["rb", "ab", "xb"] = "rb", *, follow_symlinks: bool = False) -> IO[bytes]:
    """Open a regular file to read it, append to it, or create it. A pipe is not opened, since that would wait.

    Args:
        path: The file.
        mode: Mode of the built-in `open`.
        follow_symlinks: Whether the path may be a symbolic link. It may for files that the user names.

    Raises:
        OSError: If the file cannot be opened, or is a link, a folder, a pipe or a device.
    """
    with contextlib.suppress(FileNotFoundError):  # A missing file is created, or `open` reports it.
        _check_regular(path.stat(follow_symlinks=follow_symlinks).st_mode, path)
    return path.open(mode)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file in an existing folder: write it under a temporary name, sync it to disk, and rename it.

    A link, a pipe or a device, such as `/dev/null`, is not replaced.

    Raises:
        OSError: If the file cannot be written. Then the old file is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        _check_regular(path.lstat().st_mode, path)
    try:
        # A killed process with the same id may have left this file; in containers, ids often repeat.
        temporary.unlink(missing_ok=True)
        with open_regular(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is not None:
            error.filename, error.filename2 = str(path), None
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


def sync_folder(folder: Path) -> None:
    """Sync a folder to disk, so that renames inside it are durable."""
    if sys.platform == "win32":  # It cannot open folders.
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def reported_failures(action: str, hint: str = "") -> Generator[None]:
    """Convert an OSError inside the block, such as that of a full disk, to an error that a user can act on.

    Args:
        action: What the block does, such as "writing the checkpoint runs/a/checkpoints/step-100".
        hint: What the failure means for the run, and what the user should do.

    Raises:
        RunError: If the block raises an OSError.
    """
    try:
        yield
    except OSError as error:
        raise describe_failure(error, action, hint) from error


def describe_failure(error: OSError, action: str = "", hint: str = "") -> RunError:
    """Return an OSError as an error that names the file, the reason, and what the user can do.

    Args:
        error: The error of the file system.
        action: What failed, such as "writing runs/a/metrics.jsonl".
        hint: What the failure means, and what the user should do.
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
    return RunError(message, hint=" ".join(filter(None, [advice, hint])) or None)


def read_bounded(path: Path, maximum_size: int = MAXIMUM_SIZE, *, follow_symlinks: bool = False) -> bytes:
    """Return the content of a regular file of at most `maximum_size` bytes; see `open_regular`.

    Raises:
        OSError: If the file cannot be read, is larger than the limit, or is a link, a pipe or a device.
    """
    with open_regular(path, follow_symlinks=follow_symlinks) as file:
        # A call of `read` requests the memory for all bytes that it may return.
        content = file.read(min(os.fstat(file.fileno()).st_size, maximum_size) + 1)
    if len(content) > maximum_size:
        raise OSError(errno.EFBIG, f"it is larger than {maximum_size:,} bytes", str(path))
    return content


def checksum_file(path: Path) -> str:
    """Return the XXH3 checksum of a regular file, as 32 hexadecimal digits, at several gigabytes per second.

    Raises:
        OSError: If the file cannot be read, or is a link, a pipe or a device.
    """
    checksum = xxhash.xxh3_128()
    with open_regular(path) as file:
        while piece := file.read(1 << 20):
            checksum.update(piece)
    return checksum.hexdigest()

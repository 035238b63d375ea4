"""Locks between processes. A process that ends, also by a kill, loses its locks.

Windows has no locks of folders. Instead, it neither deletes a file that a process has open, nor renames its folder.
"""

import contextlib
import ctypes
import errno
import os
import sys
from collections.abc import Generator
from pathlib import Path

import filelock

from seqforge.storage.records import MANIFEST

if sys.platform != "win32":
    import fcntl

_SYNCHRONIZE, _WAIT_TIMEOUT, _ACCESS_DENIED = 0x100000, 258, 5  # winnt.h, winerror.h


@contextlib.contextmanager
def hold_lock(path: Path, *, seconds: float = -1, remove: bool = False) -> Generator[bool]:
    """Hold the lock of a lock file inside the block. The file is created if it is missing.

    Args:
        path: The lock file.
        seconds: How long to wait for a process that holds the lock; by default, until it releases the lock.
        remove: Whether the lock file is removed at the end of the block.

    Yields:
        Whether the lock is held; it always is without a limit of time.

    Raises:
        OSError: If the lock file cannot be created, or is a link.
    """
    lock = filelock.FileLock(path, timeout=seconds)
    held = True
    try:
        lock.acquire()
    except filelock.Timeout:
        held = False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):  # These mean that the file system has no locks.
            raise
    try:
        yield held
    finally:
        if held:
            # It is removed before the release: a process that waits for the lock then creates a new file. On Windows,
            # where that is not possible, filelock removes it.
            if remove and sys.platform != "win32":
                path.unlink(missing_ok=True)
            lock.release()


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock of a lock file. The lock is taken for a moment, and no file is written.

    Raises:
        OSError: If there is no such file, or it cannot be opened.
    """
    if sys.platform == "win32":
        path.lstat()
        with hold_lock(path, seconds=0) as held:
            return not held
    descriptor = try_lock(path, shared=True)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def try_lock(path: Path, *, shared: bool = False, required: bool = False) -> int | None:
    """Lock a file or a folder that exists, without waiting. Nothing is written, so read-only files can be locked, too.

    filelock has neither shared locks, nor locks of folders and of files that this process may not write. On Windows,
    the path is a folder, and the descriptor is that of its manifest, if it has one.

    Args:
        path: File or folder.
        shared: Whether other processes may hold shared locks at the same time.
        required: Whether it is an error that the file system has no locks. Otherwise, the descriptor has no lock then.

    Returns:
        A descriptor, which holds the lock until it is closed; None if another process holds the lock.

    Raises:
        OSError: If the path cannot be opened, or is a link, or if a required lock is not possible.
    """
    if sys.platform == "win32":
        path.lstat()
        return os.open(path / MANIFEST if (path / MANIFEST).exists() else os.devnull, os.O_RDONLY)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        if required:
            os.close(descriptor)
            raise
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(descriptor), path.lstat()):
            return descriptor
    os.close(descriptor)  # Another process removed it before it was locked.
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def process_exists(number: int) -> bool:
    """Return whether there is a process with this number on this machine."""
    if sys.platform == "win32":  # There, `os.kill` would interrupt it.
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        handle = kernel.OpenProcess(_SYNCHRONIZE, False, number)
        if not handle:
            return ctypes.get_last_error() == _ACCESS_DENIED  # It belongs to another user.
        try:
            return kernel.WaitForSingleObject(handle, 0) == _WAIT_TIMEOUT
        finally:
            kernel.CloseHandle(handle)
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # It belongs to another user.
        pass
    return True

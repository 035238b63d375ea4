"""The creation of a folder that is complete as soon as it has its name, also if the process is killed meanwhile."""

import contextlib
import errno
import fcntl
import itertools
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from seqforge.storage.files import sync_folder

_TEMPORARY = re.compile(r"\.new\.\d+-\d+\.tmp")


def create_folder(parent: Path, name: str, fill: Callable[[Path], None]) -> Path:
    """Create a folder under a temporary name, fill it, and rename it. If the name is taken, a number is appended.

    Folders that killed processes left under temporary names are removed first.

    Args:
        parent: Folder that receives it, and is created if it is missing.
        name: Its name.
        fill: Function that writes its files.

    Returns:
        The folder.

    Raises:
        OSError: If it cannot be created. Then nothing is left.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(parent)
    with contextlib.ExitStack() as cleanup:
        temporary = _create_locked(parent, cleanup)
        fill(temporary)
        sync_folder(temporary)
        path, number = parent / name, 1
        while not _rename(temporary, path):
            number += 1
            path = parent / f"{name}-{number}"
    sync_folder(parent)
    return path


def _rename(temporary: Path, path: Path) -> bool:
    """Rename a folder that is not empty, and return False if the name is taken."""
    if os.path.lexists(path):  # also if it is an empty folder, which would be replaced
        return False
    try:
        temporary.rename(path)
    except OSError as error:
        # Another process may take the name at this moment.
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            return False
        raise
    return True


def _create_locked(parent: Path, cleanup: contextlib.ExitStack) -> Path:
    """Create a folder and hold a lock on it, which other processes test before they remove it."""
    for number in itertools.count():
        path = parent / f".new.{os.getpid()}-{number}.tmp"
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            cleanup.callback(shutil.rmtree, path, ignore_errors=True)
            descriptor = os.open(path, os.O_RDONLY)
            cleanup.callback(os.close, descriptor)
            with contextlib.suppress(OSError):  # This file system may have no locks.
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists():  # Another process may have removed it before it was locked.
                return path
    raise AssertionError


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders of processes that no longer hold a lock on them."""
    for path in parent.iterdir():
        if _TEMPORARY.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):  # Another process may have removed it, or holds the lock.
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if os.path.samestat(os.fstat(descriptor), path.lstat()):
                        shutil.rmtree(path)
                finally:
                    os.close(descriptor)

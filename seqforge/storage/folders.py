"""Folders that are complete as soon as they have their names, also if the process is killed meanwhile."""

import contextlib
import errno
import itertools
import os
import re
import shutil
import sys
from collections.abc import Callable, Generator
from pathlib import Path

from seqforge.storage.files import sync_folder
from seqforge.storage.locks import process_exists, try_lock

_TEMPORARY = re.compile(r"\.new\.(?P<process>\d+)-\d+\.tmp")


def create_folder(path: Path, fill: Callable[[Path], None], *, numbered: bool = False) -> Path:
    """Create a folder under a temporary name, fill it, sync it to disk, and rename it.

    Folders that killed processes left under temporary names are removed first.

    Args:
        path: The folder. The folder that contains it exists.
        fill: Function that writes its files.
        numbered: Whether a number is appended if the name is taken.

    Returns:
        The folder.

    Raises:
        OSError: If it cannot be created, for example because the name is taken. Then nothing is left.
    """
    remove_abandoned(path.parent)
    temporary, descriptor = _create_locked(path.parent)
    try:
        fill(temporary)
        sync_tree(temporary)
        others = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
        for candidate in itertools.chain([path], others if numbered else ()):
            if _rename(temporary, candidate):
                sync_folder(path.parent)
                return candidate
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        os.close(descriptor)


def replace_folder(source: Path, target: Path) -> Path:
    """Rename a folder to the name of another one beside it, which is deleted, and return the name.

    Raises:
        OSError: If it cannot be renamed. Then the other folder is unchanged.
    """
    with _moved_away(target) as old:
        try:
            return source.rename(target)
        except BaseException:
            if not target.exists():
                old.rename(target)
            raise


def discard_folder(path: Path) -> None:
    """Delete a folder. A killed process does not leave a part of it under its name.

    Raises:
        OSError: If it cannot be deleted.
    """
    with _moved_away(path):
        pass


@contextlib.contextmanager
def _moved_away(path: Path) -> Generator[Path]:
    """Move a folder into a temporary one inside the block, and delete this afterwards."""
    temporary, descriptor = _create_locked(path.parent)
    with contextlib.ExitStack() as end:
        end.callback(os.close, descriptor)
        end.callback(shutil.rmtree, temporary)
        yield path.rename(temporary / path.name)


def remove_abandoned(parent: Path) -> None:
    """Remove the temporary folders of processes that no longer hold a lock on them, if this user may."""
    with contextlib.suppress(OSError):
        for path in parent.iterdir():
            if _TEMPORARY.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                with contextlib.suppress(OSError):  # Another process may have removed it, or it is read-only.
                    remove_unless_locked(path)


def remove_unless_locked(path: Path) -> bool:
    """Remove a file, or a folder unless another process holds a lock on it, and return whether it was removed.

    Raises:
        OSError: If it cannot be removed, or if the file system has no locks.
    """
    if path.is_symlink() or not path.is_dir():
        delete(path)
        return True
    if sys.platform == "win32":
        return _remove_unless_open(path)
    descriptor = try_lock(path, required=True)
    if descriptor is None:
        return False
    try:
        delete(path)
    finally:
        os.close(descriptor)
    return True


def _remove_unless_open(path: Path) -> bool:
    """Remove a folder on Windows, unless a process writes it or has a file in it open."""
    temporary = _TEMPORARY.fullmatch(path.name)
    if temporary and process_exists(int(temporary["process"])):
        return False
    try:
        delete(path if temporary else path.rename(path.with_name(f"{path.name}.{os.getpid()}.tmp")))
    except PermissionError:
        return False
    return True


def delete(path: Path) -> None:
    """Delete a file, a link, or a folder with its content, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _create_locked(parent: Path) -> tuple[Path, int]:
    """Create a folder and lock it. Other processes test the lock before they remove the folder."""
    for number in itertools.count():
        path = parent / f".new.{os.getpid()}-{number}.tmp"
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            with contextlib.suppress(FileNotFoundError):  # Another process may remove it before it is locked.
                if (descriptor := try_lock(path)) is not None:
                    return path, descriptor
    raise AssertionError


def sync_tree(folder: Path) -> None:
    """Sync a folder and everything in it to disk."""
    for parent, _, names in os.walk(folder):
        for name in names:
            with Path(parent, name).open("rb+" if sys.platform == "win32" else "rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(parent))


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

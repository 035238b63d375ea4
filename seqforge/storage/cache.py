"""The cache folder: detection of damage, temporary files of dead processes, and the list of all entries.

Each folder in the cache folder contains the entries of one kind, such as `tokens`. An entry is a folder with a
manifest, or one file that ends with its checksum. A process that writes an entry holds the lock `NAME.lock` in the
same folder. A process that uses an entry with a manifest holds a shared lock on its folder.

While it is written, an entry has the suffix `.PID.tmp`. If its process is killed, and a journal in it says how far the
writing was, the next process continues; without a journal it is removed.

The cache folder contains `CACHEDIR.TAG` (https://bford.info/cachedir), which programs for backups know. In a folder
with other files and without it, nothing is written or removed.
"""

import contextlib
import os
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from seqforge.errors import RunError, warn
from seqforge.events import Report, WorkProgressed, no_report
from seqforge.storage.files import reported_failures, sync_folder
from seqforge.storage.folders import delete, remove_unless_locked, sync_tree
from seqforge.storage.locks import hold_lock, process_exists, try_lock
from seqforge.storage.paths import CACHE_VARIABLE, cache_folder
from seqforge.storage.records import MANIFEST, DamagedFileError, Manifest, describe_files, verify_files

TAG = "CACHEDIR.TAG"
"""File that marks a folder as a cache folder."""

JOURNAL = "journal.jsonl"
"""File of an incomplete entry that another process can continue to write."""

_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55\n"

REPORTED_SIZE = 1 << 28
"""Size in bytes of an entry whose verification is reported. A smaller one is verified in a fraction of a second."""

LoadedT = TypeVar("LoadedT")


class EntryManifest(Manifest):
    """The manifest of an entry.

    Attributes:
        origin: What the entry was made from, for the user.
    """

    VERSION = 2

    origin: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder in the cache.

    Attributes:
        kind: Kind of the entry, which is the name of its folder in the cache.
        path: Path of the file or the folder.
        origin: What it was made from, or "" if the entry has no manifest.
        size: Size in bytes.
        used: Time of the last use, in seconds since the epoch.
    """

    kind: str
    path: Path
    origin: str
    size: int
    used: float


def open_cache_folder(kind: str) -> Path:
    """Return the folder of a kind of entry. Create it, and remove what killed processes left anywhere in the cache.

    Raises:
        RunError: If a file is in its place, or if the cache folder contains other files.
        OSError: If it cannot be created.
    """
    folder = cache_folder() / kind
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not _is_tagged(folder.parent):
            (folder.parent / TAG).write_bytes(_SIGNATURE)
        folder.mkdir(exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        blocking = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        raise RunError(
            f"{blocking}: not a folder, but the cache needs a folder of this name",
            hint=f"Move or delete it, or set {CACHE_VARIABLE} to another folder.",
        ) from error
    _remove_abandoned(folder.parent)
    return folder


def _is_tagged(cache: Path) -> bool:
    """Return whether a folder is a cache folder; False if it is empty.

    Raises:
        RunError: If it contains other files.
    """
    names = os.listdir(cache)  # noqa: PTH208 - only the names are needed
    if names and TAG not in names:
        raise RunError(
            f"{cache}: the cache needs a folder of its own, and this one contains other files",
            hint=f"Set {CACHE_VARIABLE} to a new or an empty folder, such as {cache / 'seqforge-cache'}.",
        )
    return bool(names)


def load_or_write(
    folder: Path, open_entry: Callable[[Path], LoadedT], write: Callable[[Path], str], report: Report = no_report
) -> LoadedT:
    """Return what an entry with a manifest contains, after writing the entry if it is missing or damaged.

    No process removes the entry while the returned object exists.

    Args:
        folder: Folder of the entry.
        open_entry: Function that opens an entry whose files match their checksums.
        write: Function that writes the files into a folder, and returns what they were made from. The folder is empty,
            or contains what a killed process has written beside a journal.
        report: Function that receives the progress of the verification.

    Raises:
        OSError: If the entry cannot be written.
        DamagedFileError: If `open_entry` does not accept what `write` has just written.
    """
    open_cache_folder(folder.parent.name)
    # A complete entry needs no lock, so that it can be used in a read-only cache.
    with contextlib.suppress(DamagedFileError):
        return read_entry(folder, open_entry, report)
    with hold_lock(folder.with_name(f"{folder.name}.lock"), remove=True):
        try:
            return read_entry(folder, open_entry, report)  # Another process may have written the entry.
        except DamagedFileError as error:
            if os.path.lexists(folder):
                warn(f"{error.message}; making it again")
        delete(folder)
        _create_entry(folder, write)
        return read_entry(folder, open_entry, report)


def read_entry(folder: Path, open_entry: Callable[[Path], LoadedT], report: Report = no_report) -> LoadedT:
    """Return what an entry with a manifest contains, as `load_or_write` does, if it is there.

    Raises:
        DamagedFileError: If it is missing or damaged, or another process is removing it.
        RunError: If a file may not be read.
    """

    def report_progress(fraction: float) -> None:
        if size > REPORTED_SIZE:
            report(WorkProgressed("verifying the cache", fraction))

    with reported_failures("reading the cache", f"You can also set {CACHE_VARIABLE} to another folder."):
        try:
            files = EntryManifest.read(folder / MANIFEST).files
            size = sum(record.size for record in files.values())
            verify_files(folder, files, files, report_progress)
        except DamagedFileError as error:
            raise DamagedFileError(folder, f"{error.path.name}: {error.reason}") from error
        except PermissionError:
            raise
        except OSError as error:
            raise DamagedFileError(folder, f"{folder.name}: {error.strerror}") from error
    opened = open_entry(folder)
    if not hold_entry(folder, opened):
        raise DamagedFileError(folder, "another process is removing it")
    return opened


def _create_entry(folder: Path, write: Callable[[Path], str]) -> None:
    """Create an entry, or complete it. The caller holds its lock."""
    incomplete = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    for left in folder.parent.glob(f"{folder.name}.*.tmp"):
        if not _is_alive(left):
            delete(incomplete)
            left.rename(incomplete)
    if not (incomplete / JOURNAL).is_file():
        delete(incomplete)
        incomplete.mkdir()
    try:
        origin = write(incomplete)
        files = [path for path in sorted(incomplete.iterdir()) if path.name != JOURNAL]
        EntryManifest(files=describe_files(files), origin=origin).write(incomplete / MANIFEST)
        sync_tree(incomplete)
        incomplete.rename(folder)
        sync_folder(folder.parent)
    except BaseException as error:
        # An interrupt is no reason to start again.
        if isinstance(error, Exception) or not (incomplete / JOURNAL).is_file():
            delete(incomplete)
        raise
    (folder / JOURNAL).unlink(missing_ok=True)


def hold_entry(folder: Path, user: object) -> bool:
    """Protect an entry from removal while an object exists, and record its use.

    Returns:
        False if the entry does not exist, or another process is removing it.
    """
    try:
        descriptor = try_lock(folder, shared=True)
    except OSError:
        return False
    if descriptor is None:
        return False
    weakref.finalize(user, os.close, descriptor)
    with contextlib.suppress(OSError):  # The cache may be read-only.
        os.utime(folder / MANIFEST)
    return True


def list_entries() -> list[Entry]:
    """Return all entries of the cache, without lock files.

    Raises:
        RunError: If the cache folder contains other files.
    """
    root = cache_folder()
    entries: list[Entry] = []
    for folder in sorted(root.iterdir()) if root.is_dir() and _is_tagged(root) else []:
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.suffix != ".lock":
                with contextlib.suppress(FileNotFoundError):  # Another process removes it, or is writing it.
                    entries.append(_describe(folder.name, path))
    return entries


def remove_entry(path: Path) -> bool:
    """Remove an entry, unless a process is writing or using it.

    Returns:
        Whether it was removed.

    Raises:
        OSError: If it cannot be removed.
    """
    with contextlib.ExitStack() as locks:
        held = all(locks.enter_context(hold_lock(lock, seconds=0, remove=True)) for lock in _locks(path))
        return held and remove_unless_locked(path)


def _describe(kind: str, path: Path) -> Entry:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    status = [file.lstat() for file in files]
    size = sum(one.st_size for file, one in zip(files, status, strict=True) if not file.is_dir())
    try:
        origin = EntryManifest.read(path / MANIFEST).origin
        used = (path / MANIFEST).stat().st_mtime
    except (OSError, RunError):
        # Reading a file sets its access time on most file systems, at least once a day. That of a folder is now.
        read = [one.st_atime for file, one in zip(files, status, strict=True) if not file.is_dir()]
        origin, used = "", max([*read, *(one.st_mtime for one in status)])
    if used > (now := time.time()):
        # The clock was ahead when the entry was used. It counts as used now, so that it is not kept for years.
        for file in [path / MANIFEST] if origin else files:
            with contextlib.suppress(OSError):
                os.utime(file)
        used = now
    return Entry(kind, path, origin, size, used)


def _locks(path: Path) -> Iterator[Path]:
    """Yield the lock files of the entry to which a path belongs: `X.lock` for `X`, `X.PID.tmp` and `.X.PID.tmp`."""
    name = path.name.removeprefix(".")
    yield from (lock for lock in path.parent.glob("*.lock") if name.startswith(lock.stem))


def _remove_abandoned(cache: Path) -> None:
    """Remove the lock files, the temporary files and the entries without a journal of processes that are gone."""
    for folder in filter(Path.is_dir, cache.iterdir()):
        for path in folder.glob("*.tmp"):
            with contextlib.suppress(OSError):  # The cache may be read-only.
                is_left = any(_locks(path)) or not _is_alive(path)
                if is_left and not (path / JOURNAL).is_file():
                    remove_entry(path)
        for lock in folder.glob("*.lock"):
            with contextlib.suppress(OSError), hold_lock(lock, seconds=0, remove=True):
                pass  # This removes it, unless a process holds it.


def _is_alive(path: Path) -> bool:
    """Return whether there is a process with the number in the name of a temporary file, such as `.X.PID.tmp`."""
    try:
        return process_exists(int(path.suffixes[-2][1:]))
    except (IndexError, ValueError, OverflowError):
        return True

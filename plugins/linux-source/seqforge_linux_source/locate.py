"""Find Linux source on the machine, and open the source at a path, which may be a folder."""

import errno
import hashlib
import os
import platform
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Never

from seqforge.errors import DataError
from seqforge.events import Report, no_report
from seqforge.storage.files import read_bounded
from seqforge.storage.paths import expand_home
from seqforge_linux_source.source import LARGEST_FILE, SIZE_LIMIT, Archive, Selection, check_size, normalize_name

VARIABLE = "SEQFORGE_LINUX_SOURCE"
SOURCES = Path("/usr/src")
BUILD = Path("/lib/modules") / platform.release() / "build"

_ARCHIVES = ("linux-source-*.tar.xz", "linux-source-*.tar.bz2")
"""Patterns of the names of the archives of Debian and Ubuntu."""

_TREES = "linux-*"
"""Pattern of the names of the trees of Debian-based systems."""

INCLUDED = Archive(
    Path(__file__).parent / "linux-6.12-core.tar.xz",
    "No Linux source is installed, so this is the part of Linux 6.12 that comes with seqforge: kernel/ and "
    "include/uapi/linux/. For all of it, run `apt-get install linux-source`, or set `source`.",
)
"""The core of the kernel and its headers for user space: the text of the first run, on every machine."""


def find_source(sources: Path = SOURCES, build: Path = BUILD) -> "Archive | Tree":
    """Return the source at the first place that has one, or the part of Linux that comes with the plugin.

    The places are the path in `SEQFORGE_LINUX_SOURCE`, a folder with archives and trees, and the build tree of the
    running kernel.

    Raises:
        DataError: If the path in `SEQFORGE_LINUX_SOURCE` is invalid or does not exist.
    """
    if chosen := os.environ.get(VARIABLE):
        try:
            path = expand_home(chosen)
        except ValueError as error:
            raise DataError(f"{VARIABLE}: {error}") from error
        return open_source(path, named_by=f"{VARIABLE}: ")
    archives = [path for pattern in _ARCHIVES for path in sources.glob(pattern) if path.is_file()]
    if archives:
        return Archive(max(archives, key=_parse_version))
    trees = sorted(sources.glob(_TREES), key=_parse_version, reverse=True)
    # The packages linux-headers-* of a distribution have the headers of the kernel, but no source.
    whole = (folder for folder in (*trees, build) if (folder / "kernel/fork.c").is_file())
    return next(map(Tree, whole), INCLUDED)


def open_source(path: Path, named_by: str = "") -> "Archive | Tree":
    """Return the source at a path. Error messages begin with `named_by`, which states where the path comes from.

    Raises:
        DataError: If the path does not exist.
    """
    if path.is_dir():
        return Tree(path)
    if path.is_file():
        return Archive(path)
    reason = "is neither a file nor a folder" if path.exists() else "does not exist"
    raise DataError(
        f"{named_by}{path} {reason}",
        hint='Set `source` to a source tree or a tar archive, or to "auto", which searches for one.',
    )


def _parse_version(path: Path) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", path.name)], path.name


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder with its subfolders. Files are in the order of their names. Links and `.git` are skipped.

    Attributes:
        root: Path of the folder.
    """

    root: Path

    def files(
        self, selection: Selection, size_limit: int = SIZE_LIMIT, report: Report = no_report
    ) -> Generator[tuple[str, bytes]]:
        """Yield the name and the content of every selected file, as `Archive.files` does."""
        size = 0
        for name, path in self._selected(selection):
            content = self._read(path)
            size += len(content)
            check_size(size, size_limit, self.root)
            yield name, content

    def fingerprint(self, selection: Selection) -> str:
        """Return a digest of the names, sizes and modification times of the selected files."""
        digest = hashlib.blake2b()
        for name, path in self._selected(selection):
            try:
                status = path.lstat()
            except OSError as error:
                raise _unreadable_error(error) from error
            digest.update(f"{name}\0{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}\0".encode())
        return digest.hexdigest()

    def describe(self) -> str:
        """Return the path of the tree."""
        return f"Linux source from the tree {self.root}."

    def _selected(self, selection: Selection) -> list[tuple[str, Path]]:
        """Return the names and the paths of the selected files, in order."""

        def stop(error: OSError) -> Never:
            raise _unreadable_error(error) from error

        found: list[tuple[str, Path]] = []
        for folder, folders, files in os.walk(self.root, onerror=stop):
            folders[:] = [name for name in folders if name != ".git"]
            place = Path(folder).relative_to(self.root)
            for name in [(place / file).as_posix() for file in files]:
                path = self.root / name
                is_valid = selection.accepts(name) and normalize_name(os.fsencode(name)) == name
                if is_valid and path.is_file() and not path.is_symlink():
                    found.append((name, path))
        return sorted(found)

    @staticmethod
    def _read(path: Path) -> bytes:
        try:
            return read_bounded(path, LARGEST_FILE)
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise DataError(f"{path}: {error.strerror}, the limit", hint="Exclude it with `exclude`.") from error
            raise _unreadable_error(error) from error


def _unreadable_error(error: OSError) -> DataError:
    return DataError(
        f"{error.filename} cannot be read: {error.strerror}",
        hint="Check the permissions of the whole tree, and do not change the tree while it is read.",
    )

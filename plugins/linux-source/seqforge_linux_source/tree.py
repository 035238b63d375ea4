"""An unpacked tree as a source."""

import errno
import hashlib
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from seqforge.errors import DataError
from seqforge.storage.files import read_bounded
from seqforge_linux_source.source import DEFAULT_READING, LARGEST_FILE, Reading, Selection, normalize_name


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder with its subfolders. Files are in the order of their names. Links and `.git` are skipped.

    Attributes:
        root: Path of the folder.
    """

    root: Path

    def files(self, selection: Selection, reading: Reading = DEFAULT_READING) -> Generator[tuple[str, bytes]]:
        """Yield the selected files; see `Source.files`."""
        size = 0
        for name, entry in self._sorted(selection):
            content = self._read(entry.path)
            size += len(content)
            reading.check_size(size, self.root)
            yield name, content

    def fingerprint(self, selection: Selection) -> str:
        """Return a digest of the names, sizes and modification times of the selected files."""
        digest = hashlib.blake2b()
        for name, entry in self._sorted(selection):
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError as error:
                raise _unreadable_error(error) from error
            digest.update(f"{name}\0{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}\0".encode())
        return digest.hexdigest()

    def describe(self) -> str:
        """Return the path of the tree."""
        return f"Linux source from the tree {self.root}."

    def _sorted(self, selection: Selection) -> list[tuple[str, os.DirEntry[str]]]:
        return sorted(self._selected(selection), key=lambda found: found[0])

    def _selected(self, selection: Selection) -> Iterator[tuple[str, os.DirEntry[str]]]:
        folders = [("", os.fspath(self.root))]
        while folders:
            prefix, folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        name = prefix + entry.name
                        if entry.is_dir(follow_symlinks=False):
                            if entry.name != ".git":
                                folders.append((name + "/", entry.path))
                        elif (
                            entry.is_file(follow_symlinks=False)
                            and selection.accepts(name)
                            and normalize_name(os.fsencode(name)) == name
                        ):
                            yield name, entry
            except OSError as error:
                raise _unreadable_error(error) from error

    @staticmethod
    def _read(path: str) -> bytes:
        try:
            return read_bounded(Path(path), LARGEST_FILE)
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise DataError(f"{path}: {error.strerror}, the limit", hint="Exclude it with `exclude`.") from error
            raise _unreadable_error(error) from error


def _unreadable_error(error: OSError) -> DataError:
    return DataError(
        f"{error.filename} cannot be read: {error.strerror}",
        hint="Check the permissions of the whole tree, and do not change the tree while it is read.",
    )

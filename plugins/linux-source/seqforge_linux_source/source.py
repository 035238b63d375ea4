"""The sources of Linux, an archive or a tree: the selection of files, limits of what is read, and rules for names.

A tar archive as a source is streamed and never unpacked.
"""

import errno
import hashlib
import os
import tarfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Never

import pathspec

from seqforge.errors import DataError, ExperimentError
from seqforge.events import Report, WorkProgressed, no_report
from seqforge.storage.decompression import DamagedStreamError, decompress_file
from seqforge.storage.files import read_bounded
from seqforge.storage.tar_stream import ByteStream, LargeArchiveError, read_regular_files

LARGEST_FILE = 64 << 20
"""Size limit of a file in bytes. The largest file of Linux 6.12 has 24 million bytes."""

SIZE_LIMIT = 8 << 30
"""Default limit in bytes of what is read from a source. Linux 6.12 has 1.6 billion bytes."""

_LONGEST_NAME = 4096
"""Length limit of a name in bytes, which is that of Linux for a path (`PATH_MAX`)."""

_KERNEL_FOLDERS = {
    "Documentation", "LICENSES", "arch", "block", "certs", "crypto", "drivers", "fs", "include", "init", "io_uring",
    "ipc", "kernel", "lib", "mm", "net", "rust", "samples", "scripts", "security", "sound", "tools", "usr", "virt",
}  # fmt: skip


class Selection:
    """The files that become documents, selected by name.

    Patterns are those of `.gitignore`: `kernel/**` matches everything in `kernel/`, `*.h` matches every header, and a
    pattern after a `!` excludes what an earlier pattern matched. A name must match at least one pattern of `include`
    and none of `exclude`, and have one of the suffixes.

    Attributes:
        patterns: Patterns of `include` that select files.

    Raises:
        ExperimentError: If a pattern is invalid.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str], suffixes: Sequence[str]) -> None:
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self.suffixes = tuple(suffixes)
        self._include = _compile("include", include)
        self._exclude = _compile("exclude", exclude)
        self.patterns = {pattern: _compile("include", [pattern]) for pattern in include if not pattern.startswith("!")}

    def accepts(self, name: str) -> bool:
        """Return whether a file with a name relative to the kernel's root becomes a document."""
        # The suffix is the cheapest test and rejects most files.
        return name.endswith(self.suffixes) and self._include.match_file(name) and not self._exclude.match_file(name)

    def __str__(self) -> str:
        return f"include {list(self.include)}, exclude {list(self.exclude)}, suffixes {list(self.suffixes)}"


def check_size(size: int, limit: int, place: object) -> None:
    """Raise a DataError if more bytes must be read than the limit permits."""
    if size > limit:
        raise DataError(
            f"{place}: at least {size:,} bytes must be read; the limit is {limit:,}",
            hint="If you trust this source, raise the option `size_limit` of the corpus.",
        )


def normalize_name(raw: bytes) -> str | None:
    """Return the name of a file without a leading `./`, or None if a document must not have this name.

    A name must be relative, printable, UTF-8, and not too long. It must not contain `..`.
    """
    if len(raw) > _LONGEST_NAME:
        return None
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        return None
    while name.startswith("./"):
        name = name[2:]
    parts = name.split("/")
    if "" in parts or "." in parts or ".." in parts or not name.isprintable():
        return None
    return name


def find_top_folder(name: str) -> str:
    """Return the folder that contains all files of an archive, such as `linux-6.12/`, given the name of the first file.

    This is the first part of the name, with a slash. It is "" if the name has only one part, or if the first part is a
    folder of the kernel's tree, such as `kernel/`.
    """
    folder, slash, _ = name.partition("/")
    return folder + slash if slash and folder not in _KERNEL_FOLDERS else ""


def _compile(option: str, patterns: Sequence[str]) -> pathspec.GitIgnoreSpec:
    try:
        return pathspec.GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise ExperimentError(
            f"linux-source: {option}: {error}", hint='Write patterns as in .gitignore, such as "kernel/**".'
        ) from error


_MOST_FILES = 1_000_000
"""Largest number of selected files, whose names are kept in memory. Linux has about 60,000 files."""

_SILENT_SIZE = 1 << 26
"""Number of bytes without a selected file after which progress is reported."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A tar archive, plain or compressed with xz, gzip, bzip2 or Zstandard, which its first bytes determine.

    Files are in the order of the archive. If a name occurs twice, the first file is used.

    Attributes:
        description: Sentence that describes it. By default, one with the path and the size.
    """

    path: Path
    description: str = ""

    def files(
        self, selection: Selection, size_limit: int = SIZE_LIMIT, report: Report = no_report
    ) -> Generator[tuple[str, bytes]]:
        """Yield the name and the content of every selected file, with one in memory at a time.

        Args:
            selection: Selection of the files.
            size_limit: Largest number of bytes to decompress, which includes files that are not selected.
            report: Function that receives the progress while no file is found.

        Raises:
            DataError: If the archive is unreadable or too large, or a file is larger than `LARGEST_FILE`.
        """
        try:
            size = self.path.stat().st_size
            with self.path.open("rb", buffering=0) as file, closing(decompress_file(file)) as chunks:
                found = 0  # position after the last selected file

                def report_progress() -> Iterator[bytes]:
                    for chunk in chunks:
                        yield chunk
                        if stream.tell() - found >= _SILENT_SIZE:
                            report(WorkProgressed(f"reading {self.path.name}", min(file.tell() / size, 1.0)))

                stream = ByteStream(report_progress(), size_limit)
                for name, member in self._selected(stream, selection):
                    yield name, stream.read(member.size)
                    found = stream.tell()
        except LargeArchiveError as error:
            check_size(error.args[0], size_limit, self.path)
        except (DamagedStreamError, OSError) as error:
            raise self._unreadable_error(error) from error

    def _selected(self, stream: ByteStream, selection: Selection) -> Iterator[tuple[str, tarfile.TarInfo]]:
        top: str | None = None
        seen: set[str] = set()
        for member in read_regular_files(stream):
            name = normalize_name(member.name.encode(errors="surrogateescape"))
            if name is None:
                continue
            if top is None:
                top = find_top_folder(name)
            name = name.removeprefix(top)
            if not selection.accepts(name) or name in seen:
                continue
            if member.size > LARGEST_FILE:
                raise DataError(
                    f"{self.path}: {name!r} has {member.size:,} bytes; the limit is {LARGEST_FILE:,}",
                    hint="Exclude it with `exclude`.",
                )
            if len(seen) == _MOST_FILES:
                raise DataError(
                    f"{self.path}: more than {_MOST_FILES:,} files are selected", hint="Choose an archive of Linux."
                )
            seen.add(name)
            yield name, member

    def fingerprint(self, selection: Selection) -> str:
        """Return a digest of the compressed archive.

        Raises:
            DataError: If it is unreadable.
        """
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "blake2b").hexdigest()
        except OSError as error:
            raise self._unreadable_error(error) from error

    def describe(self) -> str:
        """Return the description of the archive."""
        size = self.path.stat().st_size / 1e6
        return self.description or f"Linux source from the archive {self.path} ({size:.1f} MB)."

    def _unreadable_error(self, error: DamagedStreamError | OSError) -> DataError:
        reason = getattr(error, "strerror", None) or error
        return DataError(
            f"{self.path} cannot be read as a tar archive: {reason}",
            hint="Use a .tar, .tar.xz, .tar.gz, .tar.bz2 or .tar.zst. If it is one, it is damaged: download it again.",
        )


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder with its subfolders. Files are in the order of their names. Links and `.git` are skipped."""

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

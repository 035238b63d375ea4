"""A tar archive as a source, which is streamed and never unpacked."""

import hashlib
import tarfile
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from seqforge.errors import DataError
from seqforge.events import Report, WorkProgressed, no_report
from seqforge.storage.decompression import DamagedFileError, decompress_file
from seqforge.storage.tar_stream import ByteStream, LargeArchiveError, read_regular_files
from seqforge_linux_source.source import (
    LARGEST_FILE,
    SIZE_LIMIT,
    Selection,
    check_size,
    find_top_folder,
    normalize_name,
)

_MOST_FILES = 1_000_000
"""Largest number of selected files, whose names are kept in memory. Linux has about 60,000 files."""

_SILENT_SIZE = 1 << 26
"""Number of bytes without a selected file after which progress is reported."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A tar archive, plain or compressed with xz, gzip, bzip2 or Zstandard, which its first bytes determine.

    Files are in the order of the archive. If a name occurs twice, the first file is used.

    Attributes:
        path: Path of the archive.
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
        except DamagedFileError as error:
            raise self._unreadable_error(str(error)) from error
        except OSError as error:
            raise self._unreadable_error(error.strerror or str(error)) from error

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
            raise self._unreadable_error(error.strerror or str(error)) from error

    def describe(self) -> str:
        """Return the description of the archive."""
        size = self.path.stat().st_size / 1e6
        return self.description or f"Linux source from the archive {self.path} ({size:.1f} MB)."

    def _unreadable_error(self, reason: str) -> DataError:
        return DataError(
            f"{self.path} cannot be read as a tar archive: {reason}",
            hint="Use a .tar, .tar.xz, .tar.gz or .tar.bz2. If it is one, it is damaged: download it again.",
        )

"""A tar archive as a source, streamed and never unpacked.

Decompression takes nearly all of the time. A thread for a stream gains nothing: Python's lzma asks for the
interpreter's lock each time its output grows, and so waits for whoever parses. A thread for a block of many (`xz.py`)
does, since it asks seldom.
"""

import hashlib
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from seqforge.errors import DataError
from seqforge_linux_source.byte_stream import ByteStream, DamagedArchiveError
from seqforge_linux_source.decompress import decompressed
from seqforge_linux_source.names import plain_name, top_folder
from seqforge_linux_source.selection import Selection
from seqforge_linux_source.source import LARGEST_FILE
from seqforge_linux_source.tar import RegularFile, regular_files

_MOST_FILES = 1_000_000
"""Files that may be selected, since their names are kept; Linux has about 60,000."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A `.tar`, plain or compressed with xz, gzip, bzip2 or zstandard, told apart by content and not by name.

    Its order is the archive's. Where a name comes twice, the first is taken.

    Attributes:
        path: The file.
    """

    path: Path

    def files(self, selection: Selection) -> Generator[tuple[str, bytes]]:
        """Read the selected files; see `Source.files`."""
        try:
            with self.path.open("rb") as file, closing(decompressed(file)) as chunks:
                stream = ByteStream(chunks)
                for name, member in self._selected(stream, selection):
                    yield name, stream.take(member.size)
        except DamagedArchiveError as error:
            raise self._unreadable(str(error)) from error
        except OSError as error:
            raise self._unreadable(error.strerror or str(error)) from error

    def _selected(self, stream: ByteStream, selection: Selection) -> Iterator[tuple[str, RegularFile]]:
        top: str | None = None
        seen: set[str] = set()
        for member in regular_files(stream):
            name = plain_name(member.name)
            if name is None:
                continue
            if top is None:
                top = top_folder(name)
            name = name.removeprefix(top)
            if not selection.accepts(name) or name in seen:
                continue
            if member.size > LARGEST_FILE:
                raise DataError(
                    f"{self.path}: {name!r} has {member.size:,} bytes; the limit is {LARGEST_FILE:,}",
                    hint="Leave it out with `exclude`.",
                )
            if len(seen) == _MOST_FILES:
                raise DataError(f"{self.path}: more than {_MOST_FILES:,} files are selected; this is not Linux")
            seen.add(name)
            yield name, member

    def fingerprint(self, selection: Selection) -> str:
        """Digest the archive as it is; see `Source.fingerprint`."""
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "blake2b").hexdigest()
        except OSError as error:
            raise self._unreadable(error.strerror or str(error)) from error

    def describe(self) -> str:
        """Name the file and its size."""
        return f"Linux source from the archive {self.path} ({self.path.stat().st_size / 1e6:.1f} MB)."

    def _unreadable(self, reason: str) -> DataError:
        return DataError(
            f"{self.path} cannot be read as a tar archive: {reason}",
            hint="It must be a .tar, .tar.xz, .tar.gz, .tar.zst or .tar.bz2. If it should be one, it is damaged or "
            "incomplete: fetch it again.",
        )

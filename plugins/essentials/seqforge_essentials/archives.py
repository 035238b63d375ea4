"""Compressed files, and the files in zip and tar archives: decompressed while they are read, and never unpacked."""

import fnmatch
import io
import itertools
import zipfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from seqforge.errors import DataError
from seqforge.storage.decompression import CHUNK_SIZE, DamagedFileError, decompress_file
from seqforge.storage.tar_stream import ByteStream, read_regular_files

_TAR, _TAR_PLACE = b"ustar", 257
"""Mark of a tar archive, and its place in the first header."""

Members = Iterator[tuple[str, Iterator[bytes]]]
"""Names and contents of files."""

MOST_BYTES = 4 << 30
"""Size limit of what one file decompresses to. A small file can be made to fill any memory."""


class _Chunks(io.RawIOBase):
    """The chunks of a file as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._left:
            self._left = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


@contextmanager
def open_chunks(path: Path) -> Generator[Iterator[bytes]]:
    """Open a file as chunks of its content, decompressed if its first bytes say that it is compressed.

    Raises:
        DataError: If it cannot be read, or is damaged.
    """
    with _errors(path), path.open("rb", buffering=0) as file, closing(decompress_file(file)) as chunks:
        yield _convert_errors(path, chunks)


def _convert_errors(path: Path, chunks: Iterator[bytes]) -> Iterator[bytes]:
    with _errors(path):
        yield from chunks


@contextmanager
def _errors(path: Path) -> Generator[None]:
    try:
        yield
    except DamagedFileError as error:
        raise DataError(f"{path}: the file is damaged: {error}", hint="Copy or download it again.") from error
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror}", hint="Check that the file exists and that you may read it."
        ) from error


@contextmanager
def open_file(path: Path) -> Generator[io.BufferedReader]:
    """Open a file for reading in pieces and lines, as `open_chunks` does."""
    with open_chunks(path) as chunks:
        yield io.BufferedReader(_Chunks(chunks), CHUNK_SIZE)


def read_members(path: Path, pattern: str) -> Members:
    """Yield the names and the contents of the files in an archive, or of the file itself with an empty name.

    Each content is an iterator over chunks: one chunk for a file in an archive. A tar archive may be compressed as a
    whole. If a name occurs twice, the first file counts. The pattern is that of the names of files in an archive.

    Raises:
        DataError: If the file is damaged, a file in it is encrypted or has more than 4 GiB, or no name fits.
    """
    if zipfile.is_zipfile(path):
        yield from _named(path, _zip_members(path, pattern), pattern)
        return
    with open_chunks(path) as chunks:
        first = next(chunks, b"")
        whole = itertools.chain([first] if first else [], chunks)
        if first[_TAR_PLACE:].startswith(_TAR):
            yield from _named(path, _tar_members(path, whole, pattern), pattern)
        else:
            yield "", _limit(path, whole)


def _named(path: Path, members: Members, pattern: str) -> Members:
    """Yield the first file of each name, with the name as one line of text."""
    seen: set[str] = set()
    for name, content in members:
        printed = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\n", "\\n")
        if printed not in seen:
            seen.add(printed)
            yield printed, content
    if not seen:
        raise DataError(f"{path}: no file in the archive fits {pattern!r}", hint="Check corpus.members.")


def _limit(path: Path, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the content of a file, which may decompress to 4 GiB."""
    size, limit = 0, max(MOST_BYTES, path.stat().st_size)
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise DataError(
                f"{path}: decompresses to more than {MOST_BYTES >> 30} GiB",
                hint="Decompress it, and divide it into several files.",
            )
        yield chunk


def _zip_members(path: Path, pattern: str) -> Members:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.is_dir() and fnmatch.fnmatchcase(member.filename, pattern):
                    _check_size(path, member.filename, member.file_size)
                    yield member.filename, iter([archive.read(member)])
    except RuntimeError as error:  # It is encrypted.
        raise DataError(f"{path}: {error}", hint="Unpack it, or leave it out with corpus.members.") from error
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise DataError(f"{path}: the archive is damaged: {error}", hint="Copy or download it again.") from error


def _tar_members(path: Path, chunks: Iterator[bytes], pattern: str) -> Members:
    stream = ByteStream(chunks)
    for member in read_regular_files(stream):
        if fnmatch.fnmatchcase(member.name, pattern):
            _check_size(path, member.name, member.size)
            yield member.name, iter([stream.read(member.size)])


def _check_size(path: Path, name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise DataError(
            f"{path}: {name!r} has {size:,} bytes; the limit is {MOST_BYTES >> 30} GiB",
            hint="Leave it out with corpus.members.",
        )

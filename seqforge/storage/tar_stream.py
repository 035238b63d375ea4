"""Tar archives in one pass. They may be damaged or malicious: sizes of headers are bounded, and names untrusted."""

import tarfile
from collections.abc import Callable, Iterator
from typing import IO, cast

from seqforge.storage.decompression import DamagedFileError

_LARGEST_HEADER = 1 << 14
"""Size limit of the headers of a file, which contain its name and attributes, in bytes."""


class LargeArchiveError(Exception):
    """An archive with more bytes than the limit. The argument is their number as far as it is known."""


class ByteStream:
    """A file object that reads pieces of any size from chunks of any other size. It seeks forward only.

    Args:
        chunks: The content. No chunk may be empty.
        limit: Largest number of bytes to read, or None.
        on_chunk: Function that is called before each chunk is read.
    """

    def __init__(
        self, chunks: Iterator[bytes], limit: int | None = None, on_chunk: Callable[[], None] = lambda: None
    ) -> None:
        self._chunks = chunks
        self._limit = limit
        self._on_chunk = on_chunk
        self._chunk: bytes = b""
        self._offset = 0  # in the chunk
        self._chunk_start = 0

    def tell(self) -> int:
        """Return the number of bytes that were read or skipped so far."""
        return self._chunk_start + self._offset

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes. All of them are in memory, so the caller must limit their number.

        Raises:
            DamagedFileError: If fewer bytes are left.
            LargeArchiveError: If they exceed the limit.
        """
        start, end = self._offset, self._offset + size
        if start <= end <= len(self._chunk):
            self._offset = end
            return self._chunk[start:end]
        position = self._check(self.tell() + size)
        pieces: list[bytes] = []
        while left := position - self.tell():
            self._fill()
            pieces.append(self._chunk[self._offset : self._offset + left])
            self._offset += len(pieces[-1])
        return b"".join(pieces)

    def seek(self, position: int) -> None:
        """Skip all bytes before a position, with at most one chunk in memory.

        Raises:
            DamagedFileError: If fewer bytes are left, or the position is before the current one.
            LargeArchiveError: If they exceed the limit.
        """
        self._check(position)
        while left := position - self.tell():
            self._fill()
            self._offset = min(self._offset + left, len(self._chunk))

    def drain(self) -> None:
        """Read to the end, so that the decompressor verifies every checksum.

        Raises:
            LargeArchiveError: If the rest exceeds the limit.
        """
        while self._next_chunk():
            pass

    def _check(self, position: int) -> int:
        if position < self.tell():
            raise DamagedFileError("a header states a negative size")
        if self._limit is not None and position > self._limit:
            raise LargeArchiveError(position)
        return position

    def _fill(self) -> None:
        """Read the next chunk if no byte of this one is left."""
        if self._offset == len(self._chunk) and not self._next_chunk():
            raise DamagedFileError("it ends too soon")

    def _next_chunk(self) -> bytes:
        self._on_chunk()
        self._chunk_start += len(self._chunk)
        self._chunk, self._offset = next(self._chunks, b""), 0
        self._check(self._chunk_start + len(self._chunk))
        return self._chunk


def read_regular_files(stream: ByteStream) -> Iterator[tarfile.TarInfo]:
    """Yield the regular files of a tar archive, which may be damaged or malicious, in one pass.

    Links, devices, folders and sparse files are skipped. The names are untrusted. The stream is at the start of the
    content of the file. The caller may read any part of it, and the rest is skipped.

    Raises:
        DamagedFileError: If a header is invalid or too large, or the archive ends too soon.
    """
    headers = _Headers(stream)
    try:
        archive = tarfile.TarFile(fileobj=cast("IO[bytes]", headers))
        member = archive.next()
        while member is not None:
            if member.isreg() and not member.issparse():
                yield member
            stream.seek(archive.offset)
            headers.end = archive.offset + _LARGEST_HEADER
            # Attributes for all later files, such as the commit that `git archive` writes, are not kept.
            archive.pax_headers = {}
            member = _read_member(archive, headers)
    except (tarfile.TarError, ValueError, RecursionError) as error:
        raise DamagedFileError(f"a header is damaged: {error}") from error
    stream.drain()


class _Headers:
    """The file object from which `tarfile` reads headers, which limits their size.

    Attributes:
        end: Position at which the headers of the next file must have ended.
        last: The last piece that was read.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.end = _LARGEST_HEADER
        self.last = b""

    def read(self, size: int) -> bytes:
        if self.tell() + size > self.end:
            raise DamagedFileError(f"the headers of a file have more than {_LARGEST_HEADER:,} bytes")
        self.last = self._stream.read(size)
        return self.last

    def tell(self) -> int:
        return self._stream.tell()


def _read_member(archive: tarfile.TarFile, headers: _Headers) -> tarfile.TarInfo | None:
    """Return the next member, or None at the block of zeros that ends an archive.

    `TarFile.next` keeps every member in memory, and takes a damaged header for the end.
    """
    try:
        return tarfile.TarInfo.fromtarfile(archive)
    except tarfile.HeaderError:
        if any(headers.last):
            raise
        return None

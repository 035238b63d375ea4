"""Tar archives in one pass. They may be damaged or malicious: sizes of headers are bounded, and names untrusted."""

import tarfile
from collections.abc import Iterator
from typing import IO, cast

from seqforge.storage.decompression import CHUNK_SIZE, DamagedStreamError, open_chunks

_LARGEST_HEADER = 1 << 14
"""Size limit of the headers of a file, which contain its name and attributes, in bytes."""


class LargeArchiveError(Exception):
    """An archive with more bytes than the limit. The argument is their number as far as it is known."""


class ByteStream:
    """A file object that reads pieces of any size from chunks of any other size. It seeks forward only.

    Args:
        chunks: The content.
        limit: Largest number of bytes to read, or None.
    """

    def __init__(self, chunks: Iterator[bytes], limit: int | None = None) -> None:
        self._file = open_chunks(chunks)
        self._limit = limit
        self._position = 0

    def tell(self) -> int:
        """Return the number of bytes that were read or skipped so far."""
        return self._position

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes. All of them are in memory, so the caller must limit their number.

        Raises:
            DamagedStreamError: If fewer bytes are left, or the size is negative.
            LargeArchiveError: If they exceed the limit.
        """
        return b"".join(self.pieces(size))

    def seek(self, position: int) -> None:
        """Skip all bytes before a position, with at most one piece in memory.

        Raises:
            DamagedStreamError: If fewer bytes are left, or the position is before the current one.
            LargeArchiveError: If they exceed the limit.
        """
        for _ in self.pieces(position - self._position):
            pass

    def drain(self) -> None:
        """Read to the end, so that the decompressor verifies every checksum.

        Raises:
            LargeArchiveError: If the rest exceeds the limit.
        """
        while piece := self._file.read(CHUNK_SIZE):
            self._position += len(piece)
            self._check(self._position)

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes, as `read` returns them, with one piece of at most `CHUNK_SIZE` in memory."""
        if size < 0:
            raise DamagedStreamError("a header states a negative size")
        end = self._position + size
        self._check(end)
        while left := end - self._position:
            piece = self._file.read(min(left, CHUNK_SIZE))
            if not piece:
                raise DamagedStreamError("it ends too soon")
            self._position += len(piece)
            yield piece

    def _check(self, position: int) -> None:
        if self._limit is not None and position > self._limit:
            raise LargeArchiveError(position)


def read_regular_files(stream: ByteStream) -> Iterator[tarfile.TarInfo]:
    """Yield the regular files of a tar archive, which may be damaged or malicious, in one pass.

    Links, devices, folders and sparse files are skipped. The names are untrusted. The stream is at the start of the
    content of the file. The caller may read any part of it, and the rest is skipped.

    Raises:
        DamagedStreamError: If a header is invalid or too large, or the archive ends too soon.
    """
    headers = _Headers(stream)
    try:
        archive = tarfile.TarFile(fileobj=cast("IO[bytes]", headers))
        first = headers.last
        member = archive.next()
        if member is None and any(first):  # a damaged header, as in `_read_member`
            raise DamagedStreamError("the first header is damaged")
        while member is not None:
            if member.isreg() and not member.issparse():
                yield member
            stream.seek(archive.offset)
            headers.end = archive.offset + _LARGEST_HEADER
            # Attributes for all later files, such as the commit that `git archive` writes, are not kept.
            archive.pax_headers = {}
            member = _read_member(archive, headers)
    except (tarfile.TarError, ValueError, RecursionError) as error:
        raise DamagedStreamError(f"a header is damaged: {error}") from error
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
            raise DamagedStreamError(f"the headers of a file have more than {_LARGEST_HEADER:,} bytes")
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

"""Chunks of a file as a stream of bytes."""

from collections.abc import Callable, Iterator

from seqforge.storage.decompression import DamagedFileError


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

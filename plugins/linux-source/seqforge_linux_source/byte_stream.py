"""A stream of bytes that is read forward only."""

from collections.abc import Callable, Iterator


class DamagedArchiveError(Exception):
    """An archive that ends too soon or contradicts its own headers."""


class LargeArchiveError(Exception):
    """An archive with more bytes than the limit. The argument is their number as far as it is known."""


class ByteStream:
    """A reader of pieces of any size from chunks of any other size.

    Args:
        chunks: The content. No chunk may be empty.
        limit: Largest number of bytes to read, or None.
        on_chunk: Function that is called before each chunk is read.

    Attributes:
        position: Number of bytes taken or skipped so far.
    """

    def __init__(
        self, chunks: Iterator[bytes], limit: int | None = None, on_chunk: Callable[[], None] = lambda: None
    ) -> None:
        self._chunks = chunks
        self._limit = limit
        self._on_chunk = on_chunk
        self._size = 0  # of all chunks so far
        self._chunk: bytes = b""
        self._offset = 0
        self.position = 0

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes. All of them are in memory, so the caller must limit their number.

        Raises:
            DamagedArchiveError: If fewer bytes are left.
            LargeArchiveError: If they exceed the limit.
        """
        end = self._offset + size
        if end <= len(self._chunk):
            piece = self._chunk[self._offset : end]
            self._offset = end
            self.position += size
            return piece
        self._check(self.position + size)
        pieces: list[bytes] = []
        while size > 0:
            pieces.append(self._take_some(size))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def skip(self, size: int) -> None:
        """Skip any number of bytes, with at most one chunk in memory.

        Raises:
            DamagedArchiveError: If fewer bytes are left.
            LargeArchiveError: If they exceed the limit.
        """
        end = self._offset + size
        if end <= len(self._chunk):
            self._offset = end
            self.position += size
            return
        self._check(self.position + size)
        while size > 0:
            size -= len(self._take_some(size))

    def drain(self) -> None:
        """Read to the end, so that the decompressor verifies every checksum.

        Raises:
            LargeArchiveError: If the rest exceeds the limit.
        """
        while self._next_chunk():
            pass

    def _check(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            raise LargeArchiveError(size)

    def _next_chunk(self) -> bytes:
        self._on_chunk()
        chunk = next(self._chunks, b"")
        self._size += len(chunk)
        self._check(self._size)
        return chunk

    def _take_some(self, size: int) -> bytes:
        """Return 1 to `size` bytes."""
        if self._offset == len(self._chunk):
            self._chunk = self._next_chunk()
            self._offset = 0
            if not self._chunk:
                raise DamagedArchiveError("it ends too soon")
        piece = self._chunk[self._offset : self._offset + size]
        self._offset += len(piece)
        self.position += len(piece)
        return piece

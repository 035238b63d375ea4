"""A stream of bytes that is read forward only."""

from collections.abc import Iterator


class DamagedArchiveError(Exception):
    """An archive that ends too soon or contradicts its own headers."""


class ByteStream:
    """A reader of pieces of any size from chunks of any other size. No chunk may be empty.

    Attributes:
        position: Number of bytes taken or skipped so far.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk: bytes = b""
        self._offset = 0
        self.position = 0

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes. All of them are in memory, so the caller must limit their number.

        Raises:
            DamagedArchiveError: If fewer bytes are left.
        """
        end = self._offset + size
        if end <= len(self._chunk):
            piece = self._chunk[self._offset : end]
            self._offset = end
            self.position += size
            return piece
        pieces: list[bytes] = []
        while size > 0:
            pieces.append(self._take_some(size))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def skip(self, size: int) -> None:
        """Skip any number of bytes, with at most one chunk in memory.

        Raises:
            DamagedArchiveError: If fewer bytes are left.
        """
        end = self._offset + size
        if end <= len(self._chunk):
            self._offset = end
            self.position += size
            return
        while size > 0:
            size -= len(self._take_some(size))

    def drain(self) -> None:
        """Read to the end, so that the decompressor verifies every checksum."""
        for _ in self._chunks:
            pass

    def _take_some(self, size: int) -> bytes:
        """Return 1 to `size` bytes."""
        if self._offset == len(self._chunk):
            self._chunk = next(self._chunks, b"")
            self._offset = 0
            if not self._chunk:
                raise DamagedArchiveError("it ends too soon")
        piece = self._chunk[self._offset : self._offset + size]
        self._offset += len(piece)
        self.position += len(piece)
        return piece

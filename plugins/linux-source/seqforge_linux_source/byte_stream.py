"""A stream of bytes that is read forward only."""

from collections.abc import Iterator


class DamagedArchiveError(Exception):
    """An archive that ends too soon or contradicts its own headers."""


class ByteStream:
    """A reader of pieces of any size from chunks of any size, none of which is empty.

    Attributes:
        position: Number of bytes taken or skipped so far.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk: bytes = b""
        self._offset = 0
        self.position = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes, whose number the caller must limit.

        Raises:
            DamagedArchiveError: If the content ends before.
        """
        end = self._offset + size
        if end <= len(self._chunk):
            piece = self._chunk[self._offset : end]
            self._offset = end
            self.position += size
            return piece
        pieces: list[bytes] = []
        while size > 0:
            pieces.append(self._up_to(size))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def skip(self, size: int) -> None:
        """Skip any number of bytes, with at most one chunk in memory.

        Raises:
            DamagedArchiveError: If the content ends before.
        """
        end = self._offset + size
        if end <= len(self._chunk):
            self._offset = end
            self.position += size
            return
        while size > 0:
            size -= len(self._up_to(size))

    def drain(self) -> None:
        """Read to the end, so that every checksum is verified."""
        for _ in self._chunks:
            pass

    def _up_to(self, size: int) -> bytes:
        """Return at least one byte and at most `size`."""
        if self._offset == len(self._chunk):
            self._chunk = next(self._chunks, b"")
            self._offset = 0
            if not self._chunk:
                raise DamagedArchiveError("it ends too soon")
        piece = self._chunk[self._offset : self._offset + size]
        self._offset += len(piece)
        self.position += len(piece)
        return piece

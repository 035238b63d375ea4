"""Bytes that can only be read forward."""

from collections.abc import Iterator


class DamagedArchiveError(Exception):
    """An archive that ends too soon, or does not hold what it says it holds."""


class ByteStream:
    """Reads pieces of any size from chunks of any size.

    Args:
        chunks: The content, in order; none is empty.

    Attributes:
        position: Bytes taken or skipped so far.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk: bytes = b""
        self._offset = 0
        self.position = 0

    def take(self, size: int) -> bytes:
        """Read a piece; the caller has bounded its size.

        Args:
            size: Bytes to read.

        Raises:
            DamagedArchiveError: Where the content ends before.
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
        """Pass over a piece of any size, holding no more than one chunk of it.

        Args:
            size: Bytes to pass over.

        Raises:
            DamagedArchiveError: Where the content ends before.
        """
        end = self._offset + size
        if end <= len(self._chunk):
            self._offset = end
            self.position += size
            return
        while size > 0:
            size -= len(self._up_to(size))

    def drain(self) -> None:
        """Read to the end, so that every checksum on the way is compared."""
        for _ in self._chunks:
            pass

    def _up_to(self, size: int) -> bytes:
        """Read at least one byte and at most `size`."""
        if self._offset == len(self._chunk):
            self._chunk = next(self._chunks, b"")
            self._offset = 0
            if not self._chunk:
                raise DamagedArchiveError("it ends too soon")
        piece = self._chunk[self._offset : self._offset + size]
        self._offset += len(piece)
        self.position += len(piece)
        return piece

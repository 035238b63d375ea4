"""Files that may be compressed with gzip, bzip2 or xz."""

import io
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from seqforge.errors import DataError
from seqforge.storage.decompression import CHUNK_SIZE, DamagedFileError, decompress_file

_MOST_BYTES = 4 << 30
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
    try:
        with path.open("rb", buffering=0) as file, closing(decompress_file(file)) as chunks:
            yield chunks
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


def read_file(path: Path) -> bytes:
    """Return the content of a file, decompressed if it is compressed.

    Raises:
        DataError: If it cannot be read, is damaged, or decompresses to more than 4 GiB.
    """
    pieces, size = list[bytes](), 0
    with open_chunks(path) as chunks:
        limit = max(_MOST_BYTES, path.stat().st_size)
        for piece in chunks:
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise DataError(
                    f"{path}: decompresses to more than {_MOST_BYTES >> 30} GiB",
                    hint="Decompress it, and divide it into several files.",
                )
    return b"".join(pieces)

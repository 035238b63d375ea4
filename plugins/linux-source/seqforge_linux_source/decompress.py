"""Decompress a file in chunks, and read the chunks as a stream. The first bytes of the file determine the format."""

import bz2
import gzip
import lzma
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable, Generator, Iterator
from io import FileIO
from typing import IO, cast

CHUNK_SIZE = 1 << 20
"""Size limit of a chunk in bytes."""

_MEMORY_LIMIT = 1 << 28
"""Memory limit of a decoder in bytes. This is four times what `xz -9` needs."""


def decompress_file(file: FileIO) -> Generator[bytes]:
    """Yield the content of a file, decompressed if it is in the xz, gzip or bzip2 format.

    A chunk has 1 to `CHUNK_SIZE` bytes, and one is in memory at a time. Files of several streams, which parallel
    compressors write, are supported.

    Raises:
        DamagedArchiveError: If the compressed data are corrupt, end too soon, or need too much memory.
    """
    start = file.read(8)
    file.seek(0)
    decompress = next((function for magic, function in _FORMATS.items() if start.startswith(magic)), _read_uncompressed)
    try:
        yield from decompress(file)
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise DamagedArchiveError(f"it cannot be decompressed: {error}") from error


def _read_chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while chunk := read(CHUNK_SIZE):
        yield chunk


def _read_uncompressed(file: FileIO) -> Iterator[bytes]:
    return _read_chunks(file.read)


def _decompress_xz(file: FileIO) -> Iterator[bytes]:
    program = shutil.which("xz")
    return _decompress_with_lzma(file) if program is None else _decompress_with_program(file, program)


def _decompress_with_program(file: FileIO, program: str) -> Iterator[bytes]:
    """Decompress with `xz`, which uses another core, and several for a file of several blocks, as Debian's are."""
    command = [program, "--decompress", "--stdout", "--threads=0", f"--memlimit={_MEMORY_LIMIT}"]
    environment = os.environ | {"XZ_DEFAULTS": "", "XZ_OPT": "", "LC_ALL": "C"}
    with subprocess.Popen(  # noqa: S603 - no shell, and no argument from the user
        command, env=environment, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        yield from _read_chunks(cast("IO[bytes]", process.stdout).read)
        message = cast("IO[bytes]", process.stderr).read().decode(errors="replace")
        if process.wait() != 0:
            raise lzma.LZMAError(message.strip().removeprefix(f"{program}: (stdin): ") or "xz was stopped")


def _decompress_with_lzma(file: FileIO) -> Iterator[bytes]:
    """Decompress with Python's decoder. Python's `lzma.open` has no limit of memory."""
    data = b""
    while data or (data := file.read(CHUNK_SIZE)):
        # Zero bytes between and after streams are padding.
        if data := data.lstrip(b"\0"):
            data = yield from _decompress_stream(file, data)


def _decompress_stream(file: FileIO, data: bytes) -> Generator[bytes, None, bytes]:
    """Yield the content of a stream that begins with `data`, and return the bytes after it."""
    decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MEMORY_LIMIT)
    while not decoder.eof:
        if decoder.needs_input and not data and not (data := file.read(CHUNK_SIZE)):
            raise EOFError("Unexpected end of input")
        if chunk := decoder.decompress(data, CHUNK_SIZE):
            yield chunk
        data = b""
    return decoder.unused_data


def _decompress_gzip(file: FileIO) -> Iterator[bytes]:
    return _read_chunks(gzip.GzipFile(fileobj=file).read)


def _decompress_bzip2(file: FileIO) -> Iterator[bytes]:
    try:
        yield from _read_chunks(bz2.BZ2File(file).read)
    except OSError as error:
        # An error of bzip2 has no number, but one of the disk has.
        raise error if error.errno else EOFError(error) from error


_FORMATS: dict[bytes, Callable[[FileIO], Iterator[bytes]]] = {
    b"\xfd7zXZ\x00": _decompress_xz,
    b"\x1f\x8b": _decompress_gzip,
    b"BZh": _decompress_bzip2,
}


class DamagedArchiveError(Exception):
    """An archive that ends too soon or contradicts its own headers."""


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
            DamagedArchiveError: If fewer bytes are left.
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
            DamagedArchiveError: If fewer bytes are left, or the position is before the current one.
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
            raise DamagedArchiveError("a header states a negative size")
        if self._limit is not None and position > self._limit:
            raise LargeArchiveError(position)
        return position

    def _fill(self) -> None:
        """Read the next chunk if no byte of this one is left."""
        if self._offset == len(self._chunk) and not self._next_chunk():
            raise DamagedArchiveError("it ends too soon")

    def _next_chunk(self) -> bytes:
        self._on_chunk()
        self._chunk_start += len(self._chunk)
        self._chunk, self._offset = next(self._chunks, b""), 0
        self._check(self._chunk_start + len(self._chunk))
        return self._chunk

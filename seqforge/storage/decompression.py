"""Decompress a file in chunks. The first bytes of the file determine the format."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import IO, Any, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK_SIZE = 1 << 20
"""Size limit of a chunk in bytes."""

_MEMORY_LIMIT = 1 << 28
"""Memory limit of a decoder in bytes. This is four times what `xz -9` needs."""


class DamagedStreamError(Exception):
    """A file whose content contradicts its format, or ends too soon."""


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


def open_chunks(chunks: Iterator[bytes]) -> io.BufferedReader:
    """Return chunks, none of which is empty, as a file that can be read in pieces and lines."""
    return io.BufferedReader(_Chunks(chunks), CHUNK_SIZE)


def decompress_file(file: io.FileIO) -> Generator[bytes]:
    """Yield the content of a file, decompressed if it is in the xz, gzip, bzip2 or Zstandard format.

    A chunk has 1 to `CHUNK_SIZE` bytes, and one is in memory at a time. Files of several streams, which parallel
    compressors write, are supported.

    Raises:
        DamagedStreamError: If the compressed data are corrupt, end too soon, or need too much memory.
    """
    start = file.read(8)
    file.seek(0)
    decompress = next((function for magic, function in _FORMATS.items() if start.startswith(magic)), None)
    try:
        yield from _read_chunks(file.read) if decompress is None else decompress(file)
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, zstd.ZstdError) as error:
        raise DamagedStreamError(f"it cannot be decompressed: {error}") from error


def _read_chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while chunk := read(CHUNK_SIZE):
        yield chunk


def _decompress_xz(file: io.FileIO) -> Iterator[bytes]:
    program = shutil.which("xz")
    return _decompress_with_lzma(file) if program is None else _decompress_with_program(file, program)


def _decompress_with_program(file: io.FileIO, program: str) -> Iterator[bytes]:
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


def _decompress_with_lzma(file: io.FileIO) -> Iterator[bytes]:
    """Decompress with Python's decoder. Python's `lzma.open` has no limit of memory."""
    data = b""
    while data or (data := file.read(CHUNK_SIZE)):
        # Zero bytes between and after streams are padding.
        if data := data.lstrip(b"\0"):
            data = yield from _decompress_stream(file, data)


def _decompress_stream(file: io.FileIO, data: bytes) -> Generator[bytes, None, bytes]:
    """Yield the content of a stream that begins with `data`, and return the bytes after it."""
    decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MEMORY_LIMIT)
    while not decoder.eof:
        if decoder.needs_input and not data and not (data := file.read(CHUNK_SIZE)):
            raise EOFError("Unexpected end of input")
        if chunk := decoder.decompress(data, CHUNK_SIZE):
            yield chunk
        data = b""
    return decoder.unused_data


def _decompress_bzip2(file: io.FileIO) -> Iterator[bytes]:
    try:
        yield from _read_chunks(bz2.BZ2File(file).read)
    except OSError as error:
        # An error of bzip2 has no number, but one of the disk has.
        raise error if error.errno else EOFError(error) from error


_FORMATS: dict[bytes, Callable[[io.FileIO], Iterator[bytes]]] = {
    b"\xfd7zXZ\x00": _decompress_xz,
    b"\x1f\x8b": lambda file: _read_chunks(gzip.GzipFile(fileobj=file).read),
    b"BZh": _decompress_bzip2,
    # By default, a decoder accepts windows of 128 MiB.
    b"\x28\xb5\x2f\xfd": lambda file: _read_chunks(zstd.ZstdFile(file).read),
}

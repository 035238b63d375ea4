"""Decompress a file in chunks. The first bytes of the file determine the format."""

import bz2
import lzma
import os
import zlib
from collections.abc import Callable, Generator
from io import BufferedReader
from typing import Protocol

import zstandard

from seqforge_linux_source.byte_stream import DamagedArchiveError
from seqforge_linux_source.xz import Block, decompress_blocks, find_blocks

CHUNK_SIZE = 1 << 20
"""Size limit of a chunk in bytes."""

_INPUT_SIZE = 1 << 17
_THREADS = min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
"""Number of blocks that are decompressed concurrently. Two threads are as fast as the parser."""

_MEMORY_LIMIT = 1 << 28
"""Memory limit of a decoder in bytes. This is four times what `xz -9` needs."""


class _Decoder(Protocol):
    """The common interface of the lzma and bz2 decoders. A call returns at most `max_length` bytes."""

    def decompress(self, data: bytes, max_length: int) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _GzipDecoder:
    """zlib's decoder with the interface of the lzma and bz2 decoders."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        # The last input of a stream is its checksum, which zlib does not consume before all output is read.
        return not self._decoder.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data


_XZ = b"\xfd7zXZ\x00"
_DECODERS: dict[bytes, Callable[[], _Decoder]] = {
    _XZ: lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MEMORY_LIMIT),
    b"\x1f\x8b": _GzipDecoder,
    b"BZh": bz2.BZ2Decompressor,
}
_ZSTANDARD = b"\x28\xb5\x2f\xfd"


def decompress_file(file: BufferedReader) -> Generator[bytes]:
    """Yield the content of a file, decompressed if it is in the xz, gzip, bzip2 or zstandard format.

    A chunk has 1 to `CHUNK_SIZE` bytes. One chunk is in memory at a time, or a few blocks if an .xz file consists of
    several.

    Raises:
        DamagedArchiveError: If the compressed data are corrupt, end too soon, or need too much memory.
    """
    start = file.peek(8)
    if start.startswith(_XZ) and _THREADS > 1 and (blocks := find_blocks(file)):
        return _decompress_xz_blocks(file, blocks)
    for magic, new_decoder in _DECODERS.items():
        if start.startswith(magic):
            return _decompress_streams(file, new_decoder)
    return _decompress_zstandard(file) if start.startswith(_ZSTANDARD) else _read_uncompressed(file)


def _read_uncompressed(file: BufferedReader) -> Generator[bytes]:
    while chunk := file.read(CHUNK_SIZE):
        yield chunk


def _decompress_xz_blocks(file: BufferedReader, blocks: list[Block]) -> Generator[bytes]:
    try:
        yield from decompress_blocks(file, blocks, _THREADS, CHUNK_SIZE, _MEMORY_LIMIT)
    except lzma.LZMAError as error:
        raise _corruption_error(error) from error


def _decompress_streams(file: BufferedReader, new_decoder: Callable[[], _Decoder]) -> Generator[bytes]:
    """Yield the content of consecutive streams, which parallel compressors write."""
    data = file.read(_INPUT_SIZE)
    while data:
        decoder = new_decoder()
        while not decoder.eof:
            if not data and decoder.needs_input:
                data = file.read(_INPUT_SIZE)
                if not data:
                    raise DamagedArchiveError("it ends too soon")
            try:
                chunk = decoder.decompress(data, CHUNK_SIZE)
            except (lzma.LZMAError, zlib.error, OSError) as error:
                raise _corruption_error(error) from error
            data = b""
            if chunk:
                yield chunk
        # Zero bytes between and after streams are padding.
        data = decoder.unused_data.lstrip(b"\0")
        while not data and (more := file.read(_INPUT_SIZE)):
            data = more.lstrip(b"\0")


def _decompress_zstandard(file: BufferedReader) -> Generator[bytes]:
    decoder = zstandard.ZstdDecompressor(max_window_size=_MEMORY_LIMIT)
    with decoder.stream_reader(file, read_size=_INPUT_SIZE, read_across_frames=True, closefd=False) as reader:
        try:
            while chunk := reader.read(CHUNK_SIZE):
                yield chunk
        except zstandard.ZstdError as error:
            raise _corruption_error(error) from error


def _corruption_error(error: Exception) -> DamagedArchiveError:
    return DamagedArchiveError(f"it cannot be decompressed: {error}")

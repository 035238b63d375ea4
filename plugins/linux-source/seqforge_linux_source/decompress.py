"""Decompression of a file in chunks, by what its first bytes say it is."""

import bz2
import lzma
import os
import zlib
from collections.abc import Callable, Generator
from io import BufferedReader
from typing import Protocol

import zstandard

from seqforge_linux_source.byte_stream import DamagedArchiveError
from seqforge_linux_source.xz import Block, blocks_of, decompressed_blocks

CHUNK_SIZE = 1 << 20
"""Bytes in a chunk, at most."""

_INPUT_SIZE = 1 << 17
_THREADS = min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
"""Blocks decompressed side by side: two come as fast as one thread can take them apart."""

_MEMORY_LIMIT = 1 << 28
"""What a decoder may take, in bytes: four times what `xz -9` needs."""


class _Decoder(Protocol):
    """What lzma's and bz2's decoders have in common: at most `max_length` bytes come out of a call."""

    def decompress(self, data: bytes, max_length: int) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _GzipDecoder:
    """zlib's decoder with the manners of lzma's and bz2's."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        # A stream's last input is its checksum, which zlib leaves alone while there is output to give.
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


def decompressed(file: BufferedReader) -> Generator[bytes]:
    """Read a file's content, decompressed where it starts like xz, gzip, bzip2 or zstandard.

    However far the content expands, no more than a chunk of it is held, or a few blocks of an .xz file that has them.

    Args:
        file: Open at its start.

    Returns:
        Chunks of at most `CHUNK_SIZE` bytes, none of them empty.

    Raises:
        DamagedArchiveError: Where the compressed data are corrupt, end too soon, or want too much memory.
    """
    start = file.peek(8)
    if start.startswith(_XZ) and _THREADS > 1 and (blocks := blocks_of(file)):
        return _xz_blocks(file, blocks)
    for magic, new_decoder in _DECODERS.items():
        if start.startswith(magic):
            return _streams(file, new_decoder)
    return _zstandard(file) if start.startswith(_ZSTANDARD) else _plain(file)


def _plain(file: BufferedReader) -> Generator[bytes]:
    while chunk := file.read(CHUNK_SIZE):
        yield chunk


def _xz_blocks(file: BufferedReader, blocks: list[Block]) -> Generator[bytes]:
    try:
        yield from decompressed_blocks(file, blocks, _THREADS, CHUNK_SIZE, _MEMORY_LIMIT)
    except lzma.LZMAError as error:
        raise _corrupt(error) from error


def _streams(file: BufferedReader, new_decoder: Callable[[], _Decoder]) -> Generator[bytes]:
    """Decompress stream after stream, since compressors that work in parallel write several."""
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
                raise _corrupt(error) from error
            data = b""
            if chunk:
                yield chunk
        # Zero bytes between and after streams are padding.
        data = decoder.unused_data.lstrip(b"\0")
        while not data and (more := file.read(_INPUT_SIZE)):
            data = more.lstrip(b"\0")


def _zstandard(file: BufferedReader) -> Generator[bytes]:
    decoder = zstandard.ZstdDecompressor(max_window_size=_MEMORY_LIMIT)
    with decoder.stream_reader(file, read_size=_INPUT_SIZE, read_across_frames=True, closefd=False) as reader:
        try:
            while chunk := reader.read(CHUNK_SIZE):
                yield chunk
        except zstandard.ZstdError as error:
            raise _corrupt(error) from error


def _corrupt(error: Exception) -> DamagedArchiveError:
    return DamagedArchiveError(f"it cannot be decompressed: {error}")

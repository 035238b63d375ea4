"""Decompress the blocks of an .xz file concurrently.

With several threads, as Debian runs it, `xz` writes independent blocks, and an index of their sizes at the end of the
file. `find_blocks` returns None for all other files, including damaged ones, which the ordinary decoder then reads.
Numbers in comments are sections of "The .xz File Format" (Collin, version 1.2.1).
"""

import lzma
import zlib
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedReader

LARGEST_BLOCK = 1 << 25
"""Size limit of a block in bytes, compressed or not, since whole blocks are in memory. `xz -6 -T0` writes 24 MiB."""

_MAGIC, _FOOTER_MAGIC = b"\xfd7zXZ\x00", b"YZ"
_HEADER_SIZE = _FOOTER_SIZE = 12
_LARGEST_INDEX = 1 << 20


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a stream.

    Attributes:
        unpadded_size: Compressed size in bytes, without the padding to a multiple of four.
        size: Decompressed size in bytes.
    """

    unpadded_size: int
    size: int

    @property
    def padded_size(self) -> int:
        """Compressed size in bytes, with padding."""
        return _pad_to_four(self.unpadded_size)


def find_blocks(file: BufferedReader) -> list[Block] | None:
    """Return the sizes of the blocks of a file from its index, and move the file to its start.

    The result is None unless the file is one stream of several blocks of at most `LARGEST_BLOCK` bytes each.
    """
    length = file.seek(0, 2)
    footer = _read(file, length - _FOOTER_SIZE, _FOOTER_SIZE)
    index_size = (int.from_bytes(footer[4:8], "little") + 1) * 4  # 2.1.2.2
    index_start = length - _FOOTER_SIZE - index_size
    header = _read(file, 0, _HEADER_SIZE)
    if (
        index_size > _LARGEST_INDEX
        or index_start < _HEADER_SIZE
        or header + footer != _encode_ends(header[6:8], index_size)
    ):
        file.seek(0)
        return None
    index = _read(file, index_start, index_size)
    file.seek(0)
    blocks = _decode_index(index)
    if len(blocks) < 2 or index != _encode_index(blocks):
        return None
    whole = _HEADER_SIZE + sum(block.padded_size for block in blocks) == index_start
    small = all(0 < max(block.padded_size, block.size) <= LARGEST_BLOCK for block in blocks)
    return blocks if whole and small else None


def decompress_blocks(
    file: BufferedReader, blocks: list[Block], threads: int, chunk_size: int, memory_limit: int
) -> Generator[bytes]:
    """Yield the content of a file in chunks that are not empty, and verify the checksums of its blocks.

    Args:
        file: File at its start.
        blocks: Blocks of the file, from `find_blocks`.
        threads: Number of blocks that are decompressed at a time. One more may be in memory while it is read.
        chunk_size: Size limit of a chunk in bytes. With large chunks, malloc would keep several for each thread.
        memory_limit: Memory limit of each decoder in bytes.

    Raises:
        lzma.LZMAError: If a block is corrupt or contradicts the index.
    """
    flags = file.read(_HEADER_SIZE)[6:8]
    waiting: deque[Future[deque[bytes]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for block in blocks:
                if len(waiting) == threads:
                    yield from _release(waiting.popleft().result())
                data = file.read(block.padded_size)
                waiting.append(pool.submit(_decompress, data, block, flags, chunk_size, memory_limit))
            while waiting:
                yield from _release(waiting.popleft().result())
        finally:
            pool.shutdown(cancel_futures=True)


def _release(chunks: deque[bytes]) -> Generator[bytes]:
    """Yield chunks, and drop each reference to them."""
    while chunks:
        yield chunks.popleft()


def _decompress(data: bytes, block: Block, flags: bytes, chunk_size: int, memory_limit: int) -> deque[bytes]:
    """Decompress a block as a stream of one block, because Python's lzma decodes only whole streams."""
    index = _encode_index([block])
    ends = _encode_ends(flags, len(index))
    decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=memory_limit)
    chunks = deque([decoder.decompress(ends[:_HEADER_SIZE] + data + index + ends[_HEADER_SIZE:], chunk_size)])
    size = len(chunks[0])
    # Decode up to the end of the stream, since the checksums follow the content.
    while chunks[-1] and not decoder.eof and size <= block.size:
        chunks.append(decoder.decompress(b"", chunk_size))
        size += len(chunks[-1])
    if size != block.size or not decoder.eof:
        raise lzma.LZMAError("the size of a block differs from the index")
    return deque(filter(None, chunks))


def _read(file: BufferedReader, start: int, size: int) -> bytes:
    file.seek(max(start, 0))
    return file.read(size)


def _pad_to_four(size: int) -> int:
    return -(-size // 4) * 4


def _encode_ends(flags: bytes, index_size: int) -> bytes:
    """Return the header and the footer of a stream (2.1)."""
    header = _MAGIC + flags + _checksum(flags)
    backward = (index_size // 4 - 1).to_bytes(4, "little") + flags
    return header + _checksum(backward) + backward + _FOOTER_MAGIC


def _encode_index(blocks: list[Block]) -> bytes:
    """Return the encoded index of a stream (4)."""
    numbers = [len(blocks), *(number for block in blocks for number in (block.unpadded_size, block.size))]
    index = b"\0" + b"".join(map(_encode_number, numbers))
    index += bytes(-len(index) % 4)
    return index + _checksum(index)


def _decode_index(index: bytes) -> list[Block]:
    """Decode an index without validation. The caller compares the index with `_encode_index` of the result."""
    numbers: list[int] = []
    number = shift = 0
    for byte in index[1:-4]:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number = shift = 0
        elif shift > 63:
            return []
    count = numbers[0] if numbers else 0
    sizes = numbers[1 : 1 + 2 * count]
    return [Block(*pair) for pair in zip(sizes[::2], sizes[1::2], strict=False)]


def _encode_number(number: int) -> bytes:
    """Encode a number with seven bits per byte, the lowest first (1.2)."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4, "little")

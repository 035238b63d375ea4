"""The blocks of an .xz file, decompressed side by side.

`xz` in several threads, as Debian runs it, writes blocks that need nothing of one another, and says at the file's end
how long each is. The format is in "The .xz File Format" (Collin, version 1.2.1), whose sections the comments number.
Whatever a file has that this does not know is left to the ordinary decoder, and so are its errors.
"""

import lzma
import zlib
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedReader

LARGEST_BLOCK = 1 << 25
"""Bytes of a block, compressed or not, that is taken into memory whole; `xz -6` in threads makes blocks of 24 MiB."""

_MAGIC, _FOOTER_MAGIC = b"\xfd7zXZ\x00", b"YZ"
_HEADER_SIZE = _FOOTER_SIZE = 12
_LARGEST_INDEX = 1 << 20


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a stream.

    Attributes:
        unpadded_size: Bytes in the file, without the padding to a multiple of four.
        size: Bytes when decompressed.
    """

    unpadded_size: int
    size: int

    @property
    def padded_size(self) -> int:
        """Bytes in the file."""
        return _to_four(self.unpadded_size)


def blocks_of(file: BufferedReader) -> list[Block] | None:
    """Read where the blocks of a file are.

    Args:
        file: Open anywhere; is left at its start.

    Returns:
        The blocks, or None where the file is not one whole stream of several blocks, each of at most `LARGEST_BLOCK`.
    """
    length = file.seek(0, 2)
    footer = _read(file, length - _FOOTER_SIZE, _FOOTER_SIZE)
    index_size = (int.from_bytes(footer[4:8], "little") + 1) * 4  # 2.1.2.2
    index_start = length - _FOOTER_SIZE - index_size
    header = _read(file, 0, _HEADER_SIZE)
    if index_size > _LARGEST_INDEX or index_start < _HEADER_SIZE or header + footer != _ends(header[6:8], index_size):
        file.seek(0)
        return None
    index = _read(file, index_start, index_size)
    file.seek(0)
    blocks = _records(index)
    if len(blocks) < 2 or index != _index(blocks):
        return None
    whole = _HEADER_SIZE + sum(block.padded_size for block in blocks) == index_start
    small = all(0 < max(block.padded_size, block.size) <= LARGEST_BLOCK for block in blocks)
    return blocks if whole and small else None


def decompressed_blocks(
    file: BufferedReader, blocks: list[Block], threads: int, chunk_size: int, memory_limit: int
) -> Generator[bytes]:
    """Decompress a file block by block, several at a time; their checksums are compared.

    Args:
        file: Open at its start.
        blocks: From `blocks_of`.
        threads: How many are decompressed at a time; no more are in memory, but for the one that is being read.
        chunk_size: Bytes that are given at once, at most. Of large chunks malloc would keep several, for each thread.
        memory_limit: What the decoder of each may take, in bytes.

    Yields:
        The content, in chunks of which none is empty.

    Raises:
        lzma.LZMAError: Where a block is corrupt, or not as the index says.
    """
    flags = file.read(_HEADER_SIZE)[6:8]
    waiting: deque[Future[deque[bytes]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for block in blocks:
                if len(waiting) == threads:
                    yield from _emptied(waiting.popleft().result())
                data = file.read(block.padded_size)
                waiting.append(pool.submit(_decompressed, data, block, flags, chunk_size, memory_limit))
            while waiting:
                yield from _emptied(waiting.popleft().result())
        finally:
            pool.shutdown(cancel_futures=True)


def _emptied(chunks: deque[bytes]) -> Generator[bytes]:
    """Give chunks, and let go of each."""
    while chunks:
        yield chunks.popleft()


def _decompressed(data: bytes, block: Block, flags: bytes, chunk_size: int, memory_limit: int) -> deque[bytes]:
    """Decompress a block as the only one of a stream of its own, which is what liblzma takes through Python."""
    index = _index([block])
    ends = _ends(flags, len(index))
    decoder = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=memory_limit)
    chunks = deque([decoder.decompress(ends[:_HEADER_SIZE] + data + index + ends[_HEADER_SIZE:], chunk_size)])
    size = len(chunks[0])
    # To the end, and not only to the last byte of content, since checksums come behind it.
    while chunks[-1] and not decoder.eof and size <= block.size:
        chunks.append(decoder.decompress(b"", chunk_size))
        size += len(chunks[-1])
    if size != block.size or not decoder.eof:
        raise lzma.LZMAError("a block is not as long as the index says")
    return deque(filter(None, chunks))


def _read(file: BufferedReader, start: int, size: int) -> bytes:
    file.seek(max(start, 0))
    return file.read(size)


def _to_four(size: int) -> int:
    return -(-size // 4) * 4


def _ends(flags: bytes, index_size: int) -> bytes:
    """Make a stream's header and footer (2.1)."""
    header = _MAGIC + flags + _checksum(flags)
    backward = (index_size // 4 - 1).to_bytes(4, "little") + flags
    return header + _checksum(backward) + backward + _FOOTER_MAGIC


def _index(blocks: list[Block]) -> bytes:
    """Make a stream's index (4)."""
    numbers = [len(blocks), *(number for block in blocks for number in (block.unpadded_size, block.size))]
    index = b"\0" + b"".join(map(_encoded, numbers))
    index += bytes(-len(index) % 4)
    return index + _checksum(index)


def _records(index: bytes) -> list[Block]:
    """Read the records of an index, believing nothing: whoever asks compares it with `_index` of the result."""
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


def _encoded(number: int) -> bytes:
    """Write a number, seven bits a byte, the lowest first (1.2)."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4, "little")

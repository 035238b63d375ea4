"""Concurrent decompression of the blocks of .xz files, compared with the ordinary decoder."""

import dataclasses
import io
import lzma
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_linux_source import decompress, xz
from seqforge_linux_source.byte_stream import DamagedArchiveError
from seqforge_linux_source.decompress import decompress_file
from seqforge_linux_source.xz import find_blocks

parts_of_text = st.lists(st.binary(min_size=1, max_size=3000), min_size=2, max_size=5)


def reader(content):
    return io.BufferedReader(io.BytesIO(content))


def compress_blocks(parts, check=lzma.CHECK_CRC64):
    """Compress each part to a block of one stream, as `xz` with several threads does."""
    streams = [lzma.compress(part, check=check) for part in parts]
    blocks = [decode_block(stream) for stream in streams]
    index = b"\0" + b"".join(map(encode_number, [len(parts), *(size for unpadded, _, pair in blocks for size in pair)]))
    index += bytes(-len(index) % 4)
    index += checksum(index)
    backward = (len(index) // 4 - 1).to_bytes(4, "little") + streams[0][6:8]
    return streams[0][:12] + b"".join(block for _, block, _ in blocks) + index + checksum(backward) + backward + b"YZ"


def decode_block(stream):
    index_size = (int.from_bytes(stream[-8:-4], "little") + 1) * 4
    index = stream[-12 - index_size : -12]
    sizes = []
    value = shift = 0
    for byte in index[2:-4]:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            sizes.append(value)
            value = shift = 0
    return sizes[0], stream[12 : -12 - index_size], tuple(sizes[:2])


def encode_number(value):
    encoded = b""
    while value > 127:
        encoded += bytes([value & 127 | 128])
        value >>= 7
    return encoded + bytes([value])


def checksum(content):
    return zlib.crc32(content).to_bytes(4, "little")


@pytest.fixture(autouse=True)
def use_two_threads(monkeypatch):
    """Decompress as on a machine with several cores."""
    monkeypatch.setattr(decompress, "_THREADS", 2)


@given(parts_of_text, st.sampled_from([lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_CRC64]))
def test_blocks_decompress_to_the_content_of_the_ordinary_decoder(parts, check):
    packed = compress_blocks(parts, check)
    assert lzma.decompress(packed) == b"".join(parts)

    blocks = find_blocks(reader(packed))
    assert [block.size for block in blocks] == [len(part) for part in parts]
    assert list(decompress_file(reader(packed))) == parts


@given(parts_of_text, st.data())
def test_damaged_blocks_have_the_result_of_the_ordinary_decoder(parts, data):
    packed = bytearray(compress_blocks(parts))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        del packed[data.draw(st.integers(0, len(packed))) :]
    try:
        expected = lzma.decompress(bytes(packed), format=lzma.FORMAT_XZ)
    except lzma.LZMAError:
        expected = None
    try:
        found = b"".join(decompress_file(reader(bytes(packed))))
    except DamagedArchiveError:
        found = None
    if packed.startswith(b"\xfd7zXZ\0"):
        assert found == expected


@pytest.mark.parametrize("field", ["size", "unpadded_size"])
@pytest.mark.parametrize("change", [-4, -1, 1, 4])
def test_block_that_differs_from_the_index_is_an_error(field, change):
    parts = [b"some text " * 50, random.Random(1).randbytes(400)]
    packed = compress_blocks(parts)
    first, second = find_blocks(reader(packed))
    wrong = dataclasses.replace(second, **{field: getattr(second, field) + change})
    with pytest.raises(lzma.LZMAError):
        list(xz.decompress_blocks(reader(packed), [first, wrong], 2, 1 << 20, 1 << 28))


@pytest.mark.parametrize(
    "packed",
    [
        lzma.compress(b"one block"),
        lzma.compress(b""),
        compress_blocks([b"one", b"two"]) + bytes(4),
        compress_blocks([b"one", b"two"]) * 2,
        b"\xfd7zXZ\0",
        b"",
    ],
    ids=["one block", "no block", "padding", "two streams", "the start only", "nothing"],
)
def test_files_without_several_blocks_are_not_split(packed):
    file = reader(packed)

    assert find_blocks(file) is None
    assert file.read() == packed


def test_blocks_are_divided_into_chunks(monkeypatch):
    monkeypatch.setattr(decompress, "CHUNK_SIZE", 1000)
    text = random.Random(1).randbytes(2500)

    chunks = list(decompress_file(reader(compress_blocks([text, text[:1000], text]))))
    assert [len(chunk) for chunk in chunks] == [1000, 1000, 500, 1000, 1000, 1000, 500]
    assert b"".join(chunks) == text + text[:1000] + text


@pytest.mark.parametrize(("largest", "split"), [(999, False), (1000, True)])
def test_file_with_a_large_block_is_not_split(monkeypatch, largest, split):
    monkeypatch.setattr(xz, "LARGEST_BLOCK", largest)
    packed = compress_blocks([bytes(1000), b"two"])

    assert (find_blocks(reader(packed)) is not None) == split
    assert b"".join(decompress_file(reader(packed))) == bytes(1000) + b"two"


def test_dictionary_beyond_the_memory_limit_is_rejected(monkeypatch):
    monkeypatch.setattr(decompress, "_MEMORY_LIMIT", 1 << 18)

    with pytest.raises(DamagedArchiveError, match="cannot be decompressed"):
        list(decompress_file(reader(compress_blocks([b"one", b"two"]))))


def test_closed_generator_stops_decompression(monkeypatch):
    blocks = decompress_file(reader(compress_blocks([bytes([number]) * 100 for number in range(50)])))

    assert next(blocks) == bytes(100)
    blocks.close()
    assert list(blocks) == []

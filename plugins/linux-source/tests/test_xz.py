"""The blocks of .xz files: read side by side as the ordinary decoder reads them, or left to it."""

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


def in_blocks(parts, check=lzma.CHECK_CRC64):
    """Compress as `xz` in threads does: a stream with a block for each part, put together from streams of one."""
    streams = [lzma.compress(part, check=check) for part in parts]
    blocks = [blocks_in(stream) for stream in streams]
    index = b"\0" + b"".join(map(number, [len(parts), *(size for unpadded, _, pair in blocks for size in pair)]))
    index += bytes(-len(index) % 4)
    index += checksum(index)
    backward = (len(index) // 4 - 1).to_bytes(4, "little") + streams[0][6:8]
    return streams[0][:12] + b"".join(block for _, block, _ in blocks) + index + checksum(backward) + backward + b"YZ"


def blocks_in(stream):
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


def number(value):
    encoded = b""
    while value > 127:
        encoded += bytes([value & 127 | 128])
        value >>= 7
    return encoded + bytes([value])


def checksum(content):
    return zlib.crc32(content).to_bytes(4, "little")


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    """As on a machine of several cores."""
    monkeypatch.setattr(decompress, "_THREADS", 2)


@given(parts_of_text, st.sampled_from([lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_CRC64]))
def test_blocks_come_one_by_one_as_the_ordinary_decoder_reads_them(parts, check):
    packed = in_blocks(parts, check)
    assert lzma.decompress(packed) == b"".join(parts)

    blocks = find_blocks(reader(packed))
    assert [block.size for block in blocks] == [len(part) for part in parts]
    assert list(decompress_file(reader(packed))) == parts


@given(parts_of_text, st.data())
def test_whatever_is_damaged_reads_as_it_would_otherwise_or_is_an_error(parts, data):
    packed = bytearray(in_blocks(parts))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        del packed[data.draw(st.integers(0, len(packed))) :]
    try:
        wanted = lzma.decompress(bytes(packed), format=lzma.FORMAT_XZ)
    except lzma.LZMAError:
        wanted = None
    try:
        found = b"".join(decompress_file(reader(bytes(packed))))
    except DamagedArchiveError:
        found = None
    if packed.startswith(b"\xfd7zXZ\0"):
        assert found == wanted


@pytest.mark.parametrize("field", ["size", "unpadded_size"])
@pytest.mark.parametrize("change", [-4, -1, 1, 4])
def test_a_block_that_is_not_as_the_index_says_is_an_error(field, change):
    parts = [b"some text " * 50, random.Random(1).randbytes(400)]
    packed = in_blocks(parts)
    first, second = find_blocks(reader(packed))
    wrong = dataclasses.replace(second, **{field: getattr(second, field) + change})
    with pytest.raises(lzma.LZMAError):
        list(xz.decompress_blocks(reader(packed), [first, wrong], 2, 1 << 20, 1 << 28))


@pytest.mark.parametrize(
    "packed",
    [
        lzma.compress(b"one block"),
        lzma.compress(b""),
        in_blocks([b"one", b"two"]) + bytes(4),
        in_blocks([b"one", b"two"]) * 2,
        b"\xfd7zXZ\0",
        b"",
    ],
    ids=["one block", "no block", "padding", "two streams", "the start only", "nothing"],
)
def test_other_files_are_left_to_the_ordinary_decoder(packed):
    file = reader(packed)

    assert find_blocks(file) is None
    assert file.read() == packed


def test_a_block_comes_in_chunks(monkeypatch):
    monkeypatch.setattr(decompress, "CHUNK_SIZE", 1000)
    text = random.Random(1).randbytes(2500)

    chunks = list(decompress_file(reader(in_blocks([text, text[:1000], text]))))
    assert [len(chunk) for chunk in chunks] == [1000, 1000, 500, 1000, 1000, 1000, 500]
    assert b"".join(chunks) == text + text[:1000] + text


@pytest.mark.parametrize(("largest", "taken"), [(999, False), (1000, True)])
def test_a_large_block_is_not_taken_into_memory_whole(monkeypatch, largest, taken):
    monkeypatch.setattr(xz, "LARGEST_BLOCK", largest)
    packed = in_blocks([bytes(1000), b"two"])

    assert (find_blocks(reader(packed)) is not None) == taken
    assert b"".join(decompress_file(reader(packed))) == bytes(1000) + b"two"


def test_a_dictionary_that_wants_too_much_memory_is_refused(monkeypatch):
    monkeypatch.setattr(decompress, "_MEMORY_LIMIT", 1 << 18)

    with pytest.raises(DamagedArchiveError, match="cannot be decompressed"):
        list(decompress_file(reader(in_blocks([b"one", b"two"]))))


def test_nothing_goes_on_where_the_reader_stops(monkeypatch):
    blocks = decompress_file(reader(in_blocks([bytes([number]) * 100 for number in range(50)])))

    assert next(blocks) == bytes(100)
    blocks.close()
    assert list(blocks) == []

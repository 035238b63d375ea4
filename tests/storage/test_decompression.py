"""Decompression: all formats, consecutive streams, limits, and damaged data."""

import bz2
import gzip
import lzma
import random
import zlib

import pytest

from seqforge.storage import decompression
from seqforge.storage.decompression import DamagedStreamError, decompress_file, zstd


def compress_zstd(content):
    """Compress with a checksum, as the program `zstd` does."""
    return zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})


COMPRESSORS = {
    "xz": lzma.compress,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "zstd": compress_zstd,
}
every_format = pytest.mark.parametrize("compress", COMPRESSORS.values(), ids=COMPRESSORS)


@pytest.fixture(params=["xz", "lzma"])
def decompress_bytes(request, tmp_path, monkeypatch):
    """Return a function that yields the content of a compressed file, with the program `xz` and without it."""
    if request.param == "lzma":
        monkeypatch.setattr("shutil.which", lambda name: None)
    path = tmp_path / "compressed"

    def start(content):
        path.write_bytes(content)
        with path.open("rb", buffering=0) as file:
            yield from decompress_file(file)

    return start


@pytest.fixture
def small_chunks(monkeypatch):
    """Use buffers that are so small that every loop has several iterations."""
    monkeypatch.setattr(decompression, "CHUNK_SIZE", 1000)


@pytest.fixture(scope="module")
def text():
    """Return text that compresses well, but not to a few bytes."""
    generator = random.Random(1)
    return b"".join(b"static int f%d;\n" % generator.randrange(1 << 30) for _ in range(2000))


@every_format
def test_compressed_file_is_decompressed(decompress_bytes, compress, text):
    assert b"".join(decompress_bytes(compress(text))) == text


@every_format
@pytest.mark.usefixtures("small_chunks")
def test_consecutive_streams_are_decompressed_in_chunks(decompress_bytes, compress, text):
    chunks = list(decompress_bytes(compress(text) + compress(text[:77])))

    assert b"".join(chunks) == text + text[:77]
    assert all(0 < len(chunk) <= 1000 for chunk in chunks)


@pytest.mark.parametrize("compress", [lzma.compress, gzip.compress], ids=["xz", "gzip"])
@pytest.mark.usefixtures("small_chunks")
def test_padding_is_skipped(decompress_bytes, compress, text):
    assert b"".join(decompress_bytes(compress(text) + bytes(400) + compress(b"more") + bytes(8))) == text + b"more"


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("length", [999, 1000, 1001, 2000, 3000])
def test_gzip_content_may_end_at_the_edge_of_a_chunk(decompress_bytes, length):
    content = bytes(length)

    assert b"".join(decompress_bytes(gzip.compress(content))) == content


def test_uncompressed_file_does_not_change(decompress_bytes, text):
    assert b"".join(decompress_bytes(text)) == text


@every_format
def test_corrupt_data_is_an_error(decompress_bytes, compress, text):
    packed = bytearray(compress(text))
    packed[len(packed) // 2] ^= 0x55

    with pytest.raises(DamagedStreamError, match=r"cannot be decompressed|ends too soon"):
        list(decompress_bytes(bytes(packed)))


@pytest.mark.parametrize("name", COMPRESSORS)
def test_truncated_data_is_an_error(decompress_bytes, name, text):
    with pytest.raises(DamagedStreamError, match=r"end of input|ended before"):
        list(decompress_bytes(COMPRESSORS[name](text)[:-3]))


@pytest.mark.parametrize("name", ["xz", "gzip", "zstd"])
def test_garbage_after_the_data_is_an_error(decompress_bytes, name, text):
    with pytest.raises(DamagedStreamError, match="cannot be decompressed"):
        list(decompress_bytes(COMPRESSORS[name](text) + b"garbage of some length"))


def test_dictionary_beyond_the_memory_limit_is_rejected(decompress_bytes, monkeypatch, text):
    packed = lzma.compress(text, preset=9)
    monkeypatch.setattr(decompression, "_MEMORY_LIMIT", 1 << 20)

    with pytest.raises(DamagedStreamError, match="cannot be decompressed"):
        list(decompress_bytes(packed))


def test_a_zstd_window_beyond_the_memory_limit_is_rejected(decompress_bytes, text):
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 28})
    packed = compressor.compress(text) + compressor.flush()

    with pytest.raises(DamagedStreamError, match="too much memory"):
        list(decompress_bytes(packed))


def test_chunks_of_a_decompression_bomb_are_bounded(decompress_bytes):
    compressor = zlib.compressobj(9, wbits=31)
    packed = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(64)) + compressor.flush()

    largest, total = 0, 0
    for chunk in decompress_bytes(packed):
        largest, total = max(largest, len(chunk)), total + len(chunk)
    assert total == 64 << 20
    assert largest <= decompression.CHUNK_SIZE

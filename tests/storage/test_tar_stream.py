"""Tar archives: compared with Python's `tarfile`, and damaged or hostile ones."""

import contextlib
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tar_files import make_tar

from seqforge.storage.decompression import DamagedStreamError
from seqforge.storage.tar_stream import ByteStream, read_regular_files

names = st.text(st.sampled_from("ab/é. "), min_size=1, max_size=300).filter(lambda name: not name.endswith("/"))
contents = st.one_of(st.binary(max_size=20), st.integers(0, 2000).map(bytes))
formats = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def chunks_of(content, size):
    return (content[start : start + size] for start in range(0, len(content), size))


def read(content, chunk_size=1 << 20):
    stream = ByteStream(chunks_of(content, chunk_size))
    return [
        (member.name.encode(errors="surrogateescape"), stream.read(member.size))
        for member in read_regular_files(stream)
    ]


def with_checksum(header):
    header = header[:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]


@settings(deadline=None)
@given(members=st.lists(st.tuples(names, contents), max_size=5), tar_format=formats, chunk_size=st.integers(1, 3000))
def test_files_written_by_tarfile_are_read(members, tar_format, chunk_size):
    if tar_format == tarfile.USTAR_FORMAT:
        members = [(name[:80].rstrip("/") or "a", content) for name, content in members]
    archive = make_tar(members, tar_format)

    assert read(archive, chunk_size) == [(name.encode(), content) for name, content in members]


@settings(deadline=None)
@given(st.data())
def test_damaged_archives_are_read_or_raise_the_documented_error(data):
    archive = bytearray(make_tar([("a.c", b"x" * 600), ("b" * 150, b"y")], tarfile.PAX_FORMAT))
    for _ in range(data.draw(st.integers(0, 4))):
        archive[data.draw(st.integers(0, 4096))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(archive)))

    with contextlib.suppress(DamagedStreamError):
        read(bytes(archive[:cut]), 700)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_members_that_are_not_regular_files_are_skipped(kind):
    odd = tarfile.TarInfo("odd.c")
    odd.type, odd.linkname = kind, "/etc/passwd"

    assert read(make_tar([("a.c", b"a"), (odd, b""), ("b.c", b"b")])) == [(b"a.c", b"a"), (b"b.c", b"b")]


def test_link_with_a_size_has_no_content():
    link = tarfile.TarInfo("odd.c")
    link.type, link.size = tarfile.LNKTYPE, 5000
    after = tarfile.TarInfo("b.c")

    assert read(link.tobuf() + after.tobuf() + bytes(1024)) == [(b"b.c", b"")]


def test_sparse_file_is_skipped_with_its_map():
    sparse = bytearray(tarfile.TarInfo("holes.c").tobuf(tarfile.GNU_FORMAT))
    sparse[156:157] = b"S"
    sparse[482] = 1
    sparse[124:136] = b"%011o\0" % 3
    more, last = bytearray(512), bytearray(512)
    more[504] = 1
    content = b"abc".ljust(512, b"\0")
    archive = with_checksum(bytes(sparse)) + bytes(more) + bytes(last) + content + make_tar([("b.c", b"b")])

    assert read(archive) == [(b"b.c", b"b")]


def test_sparse_file_of_pax_is_skipped():
    sparse = tarfile.TarInfo("holes.c")
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "holes.c"}

    assert read(make_tar([(sparse, b"1\n0\n0\n".ljust(512, b"\0")), ("b.c", b"b")], tarfile.PAX_FORMAT)) == [
        (b"b.c", b"b")
    ]


def test_global_header_is_skipped():
    # `git archive` writes the commit into such a header.
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "c0ffee"}) as tar:
        tar.addfile(tarfile.TarInfo("a.c"))

    assert read(buffer.getvalue()) == [(b"a.c", b"")]


def test_size_in_a_pax_header_has_precedence():
    large = tarfile.TarInfo("large.c")
    large.pax_headers = {"size": "3"}
    archive = bytearray(make_tar([(large, b"abc")], tarfile.PAX_FORMAT))
    start = archive.index(b"large.c")
    archive[start : start + 512] = with_checksum(
        bytes(archive[start : start + 124]) + b"%011o\0" % 0 + bytes(archive[start + 136 : start + 512])
    )

    assert read(bytes(archive)) == [(b"large.c", b"abc")]


@pytest.mark.parametrize("size", [b"\x80" + b"\xff" * 11, b"77777777777\0"], ids=["binary", "octal"])
def test_huge_size_is_an_error_at_the_end_of_the_archive(size):
    header = bytearray(tarfile.TarInfo("a.c").tobuf())
    header[124:136] = size
    stream = ByteStream(chunks_of(with_checksum(bytes(header)) + bytes(4096), 512))

    with pytest.raises(DamagedStreamError, match="ends too soon"):
        list(read_regular_files(stream))


@pytest.mark.parametrize("kind", [b"x", b"L"])
def test_size_of_an_extended_header_is_limited(kind):
    header = bytearray(tarfile.TarInfo("a.c").tobuf())
    header[156:157] = kind
    header[124:136] = b"\x80" + (1 << 40).to_bytes(11, "big")

    with pytest.raises(DamagedStreamError, match="more than 16,384 bytes"):
        read(with_checksum(bytes(header)) + bytes(1024))


@pytest.mark.parametrize("records", [b"0 a=b\n", b"11 size=-9\n", b"22 GNU.sparse.size=x\n"])
def test_malformed_extended_header_is_rejected(records):
    header = bytearray(tarfile.TarInfo("a.c").tobuf())
    header[156:157] = b"x"
    header[124:136] = b"%011o\0" % len(records)
    after = tarfile.TarInfo("b.c").tobuf()

    with pytest.raises(DamagedStreamError):
        read(with_checksum(bytes(header)) + records.ljust(512, b"\0") + after + bytes(1024))


@pytest.mark.parametrize("kind", [b"x", b"g", b"L"])
def test_number_of_extended_headers_is_limited(kind):
    header = bytearray(tarfile.TarInfo("a.c").tobuf())
    header[156:157] = kind
    header[124:136] = b"%011o\0" % 6
    extended = with_checksum(bytes(header)) + b"6 a=b\n".ljust(512, b"\0")

    with pytest.raises(DamagedStreamError, match="more than 16,384 bytes"):
        read(extended * 10_000)


def test_map_of_a_sparse_file_is_limited():
    records = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
    header = bytearray(tarfile.TarInfo("a.c").tobuf())
    header[156:157] = b"x"
    header[124:136] = b"%011o\0" % len(records)
    numbers = b"1000000000000\n" + b"1\n" * (1 << 20)

    with pytest.raises(DamagedStreamError, match="more than 16,384 bytes"):
        read(with_checksum(bytes(header)) + records.ljust(512, b"\0") + tarfile.TarInfo("b.c").tobuf() + numbers)


@pytest.mark.parametrize("place", [0, 1])
def test_wrong_checksum_is_rejected(place):
    archive = bytearray(make_tar([("a.c", b"a"), ("b.c", b"b")]))
    archive[place * 1024] ^= 1

    with pytest.raises(DamagedStreamError, match="bad checksum"):
        read(bytes(archive))


def test_archive_without_its_end_is_an_error():
    archive = make_tar([("a.c", b"a")])

    with pytest.raises(DamagedStreamError, match="ends too soon"):
        read(archive[:1024])

"""Read the regular files of a tar archive, which may be damaged or malicious, in one pass.

The formats are ustar and pax of POSIX, and that of GNU tar (POSIX.1-2017, `pax`, "ustar Interchange Format"; GNU tar
manual, "Basic Tar Format"). Python's `tarfile` also supports these, but it reads extended headers of any size into
memory, keeps every member, and takes several times as long for a header.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from seqforge_linux_source.byte_stream import ByteStream, DamagedArchiveError

_BLOCK = 512
_EXTENSION_LIMIT = 1 << 20
"""Size limit of an extended header, which contains a name and attributes, in bytes."""


@dataclass(frozen=True, slots=True)
class RegularFile:
    """A regular file of an archive. The stream is at the start of its content.

    Attributes:
        name: Name in the archive.
        size: Size of the content in bytes.
    """

    name: bytes
    size: int


@dataclass(slots=True)
class _Extension:
    """Attributes of the next member, from its extended headers."""

    name: bytes | None = None
    size: int | None = None
    sparse: bool = False


def read_regular_files(stream: ByteStream) -> Iterator[RegularFile]:
    """Yield the regular files of an archive. Links, devices, folders and sparse files are skipped.

    The names are untrusted. The caller may take any part of the content of a file from the stream. The rest is skipped.

    Raises:
        DamagedArchiveError: If a header is invalid or the archive ends too soon.
    """
    extension = _Extension()
    while any(header := stream.take(_BLOCK)):
        _verify_checksum(header)
        kind = header[156:157]
        size = _parse_number(header[124:136])
        if kind in (b"x", b"L"):
            content = _read_extended_header(stream, size)
            if kind == b"x":
                _read_pax(content, extension)
            else:
                extension.name = content.split(b"\0", 1)[0]
            continue
        if kind in (b"g", b"K", b"X"):
            stream.skip(_pad(size))
            continue
        if extension.size is not None:
            size = extension.size
        if kind == b"S":
            _skip_sparse_map(stream, header)
        # Links, devices and folders (types 1 to 6) have no content, even if their size field is not 0.
        end = stream.position + (0 if kind in b"123456" else _pad(size))
        name = extension.name or _parse_name(header)
        if kind in (b"0", b"\0", b"7") and not extension.sparse and not name.endswith(b"/"):
            yield RegularFile(name, size)
        stream.skip(end - stream.position)
        extension = _Extension()
    stream.drain()


def _verify_checksum(header: bytes) -> None:
    """Verify the checksum of a header, which is the sum of its bytes with spaces in the checksum field."""
    # The low half of Adler-32 is the sum of the bytes plus one, modulo 65521. zlib is ten times as fast as `sum`.
    total = (zlib.adler32(header) & 0xFFFF) - 1
    if (total - sum(header[148:156]) + 8 * ord(" ") - _parse_number(header[148:156])) % 65521:
        raise DamagedArchiveError("a tar header has a wrong checksum")


def _parse_number(field: bytes) -> int:
    """Parse a number: octal digits, or, as GNU tar writes large numbers, the byte 0x80 and a binary number."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        number = int(field.split(b"\0", 1)[0].strip() or b"0", 8)
    except ValueError:
        number = -1
    if number < 0:
        raise DamagedArchiveError("a tar header has an invalid number")
    return number


def _pad(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _parse_name(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    # GNU headers, whose magic ends in spaces, have other fields at the position of the POSIX name prefix.
    if header[257:263] == b"ustar\0" and header[345]:
        return header[345:500].split(b"\0", 1)[0] + b"/" + name
    return name


def _read_extended_header(stream: ByteStream, size: int) -> bytes:
    if size > _EXTENSION_LIMIT:
        raise DamagedArchiveError(f"an extended header has {size:,} bytes; the limit is {_EXTENSION_LIMIT:,}")
    return stream.take(_pad(size))[:size]


def _read_pax(content: bytes, extension: _Extension) -> None:
    """Parse records of the form `length key=value`. The length is that of the whole record with its line break."""
    start = 0
    while start < len(content):
        digits = content[start : start + 20].partition(b" ")[0]
        stop = start + int(digits) if digits.isdigit() else start
        key, equals, value = content[start + len(digits) + 1 : stop - 1].partition(b"=")
        malformed_size = key == b"size" and not (value.isdigit() and len(value) <= 20)
        if not start < stop <= len(content) or not equals or malformed_size:
            raise DamagedArchiveError("an extended header is malformed")
        if key == b"path":
            extension.name = value
        elif key == b"size":
            extension.size = int(value)
        elif key.startswith(b"GNU.sparse."):
            extension.sparse = True
        start = stop


def _skip_sparse_map(stream: ByteStream, header: bytes) -> None:
    """Skip the blocks that continue the map of a sparse file in the format of GNU tar."""
    extended = header[482]
    while extended:
        extended = stream.take(_BLOCK)[504]

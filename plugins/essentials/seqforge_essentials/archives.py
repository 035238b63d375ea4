"""Compressed files, and the files in zip and tar archives: decompressed while they are read, and never unpacked."""

import fnmatch
import io
import itertools
import lzma
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from seqforge.errors import DataError
from seqforge.storage.decompression import CHUNK_SIZE, DamagedStreamError, decompress_file, open_chunks
from seqforge.storage.tar_stream import ByteStream, read_regular_files

_TAR, _TAR_PLACE = b"ustar", 257
"""Mark of a tar archive, and its place in the first header."""

MOST_BYTES = 4 << 30
"""Size limit of what one file decompresses to. A small file can be made to fill any memory."""


@contextmanager
def read_chunks(path: Path) -> Generator[Iterator[bytes]]:
    """Open a file as chunks of its content, decompressed if its first bytes say that it is compressed.

    Raises:
        DataError: If it cannot be read, or is damaged.
    """
    with reading_errors(path), path.open("rb", buffering=0) as file, closing(decompress_file(file)) as chunks:
        yield chunks


@contextmanager
def reading_errors(path: Path) -> Generator[None]:
    """Convert the errors of damaged and unreadable files.

    Raises:
        DataError: If the block raises such an error.
    """
    try:
        yield
    except RuntimeError as error:  # A file in an archive is encrypted, or compressed in an unknown way.
        raise DataError(f"{path}: {error}", hint="Unpack it, or leave it out with corpus.members.") from error
    except (DamagedStreamError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise DataError(f"{path}: the file is damaged: {error}", hint="Copy or download it again.") from error
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror or error}", hint="Check that the file is complete, and that you may read it."
        ) from error


@contextmanager
def open_file(path: Path) -> Generator[io.BufferedReader]:
    """Open a file for reading in pieces and lines, as `read_chunks` does."""
    with read_chunks(path) as chunks:
        yield open_chunks(chunks)


def read_members(path: Path, pattern: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield the names and the contents of the files in an archive, or of the file itself with an empty name.

    Each content is an iterator over chunks, which the caller reads before the next file. A tar archive may be
    compressed as a whole. If a name occurs twice, the first file counts. The pattern is that of the names of files in
    an archive.

    Raises:
        DataError: If the file is damaged, a file in it is encrypted or has more than 4 GiB, or no name fits.
    """
    with ExitStack() as files, reading_errors(path):
        chunks = files.enter_context(read_chunks(path))
        first = next(chunks, b"")
        whole = itertools.chain([first] if first else [], chunks)
        if first[_TAR_PLACE:].startswith(_TAR):
            stream = ByteStream(whole)
            members = ((member.name, stream.pieces(member.size)) for member in read_regular_files(stream))
        elif zipfile.is_zipfile(path):  # after tar, since a tar archive may end with a zip archive
            archive = files.enter_context(zipfile.ZipFile(path))
            members = ((one.filename, _read_zip(archive, one)) for one in archive.infolist() if not one.is_dir())
        else:
            yield "", _limit(path, whole)
            return
        seen: set[str] = set()
        for name, content in members:
            printed = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\n", "\\n")
            if fnmatch.fnmatchcase(name, pattern) and printed not in seen:
                seen.add(printed)
                yield printed, _limit(path, content, printed)
        if not seen:
            raise DataError(f"{path}: no file in the archive fits {pattern!r}", hint="Check corpus.members.")


def _read_zip(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(member) as file:
        yield from iter(partial(file.read, CHUNK_SIZE), b"")


def _limit(path: Path, chunks: Iterator[bytes], name: str = "") -> Iterator[bytes]:
    """Yield the content of a file, which may decompress to 4 GiB, or of a file in it."""
    size, limit = 0, max(MOST_BYTES, path.stat().st_size)
    with reading_errors(path):
        for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise DataError(
                    f"{path / name}: it decompresses to more than {MOST_BYTES >> 30} GiB",
                    hint="Decompress it, and divide it into several files.",
                )
            yield chunk

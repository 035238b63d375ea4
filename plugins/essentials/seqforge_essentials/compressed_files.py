"""Files that may be compressed with gzip, bzip2 or xz."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from seqforge.errors import DataError

_OPENERS: dict[bytes, Callable[[io.BufferedReader], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
"""Readers of compressed files, by the bytes with which these begin."""

_MOST_BYTES = 4 << 30
"""Size limit of what one file decompresses to. A small file can be made to fill any memory."""

_PIECE = 1 << 20


@contextmanager
def open_file(path: Path) -> Generator[io.BufferedIOBase]:
    """Open a file for reading, decompressed if its first bytes say that it is compressed.

    Raises:
        DataError: If it cannot be read, or is damaged.
    """
    try:
        with path.open("rb") as file:
            start = file.read(max(map(len, _OPENERS)))
            file.seek(0)
            opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
            yield file if opener is None else opener(file)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise _damaged(path, error) from error
    except OSError as error:
        if error.strerror is None:  # bz2 raises it for damaged data
            raise _damaged(path, error) from error
        raise DataError(
            f"{path}: {error.strerror}", hint="Check that the file exists and that you may read it."
        ) from error


def read_file(path: Path) -> bytes:
    """Return the content of a file, decompressed if it is compressed.

    Raises:
        DataError: If it cannot be read, is damaged, or decompresses to more than 4 GiB.
    """
    content = bytearray()
    with open_file(path) as file:
        if isinstance(file, io.BufferedReader):
            return file.read()
        while piece := file.read(_PIECE):
            content += piece
            if len(content) > _MOST_BYTES:
                raise DataError(
                    f"{path}: decompresses to more than {_MOST_BYTES >> 30} GiB",
                    hint="Decompress it, and divide it into several files.",
                )
    return bytes(content)


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: the compressed file is damaged ({error})", hint="Copy or download it again.")

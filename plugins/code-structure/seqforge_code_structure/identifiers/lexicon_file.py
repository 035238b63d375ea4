"""Files of lexicons: a line of JSON with the number of files, and the compressed table."""

import json
import lzma
import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from seqforge.errors import DataError
from seqforge.storage.files import read_bounded
from seqforge_code_structure.identifiers.lexicon import Lexicon, is_table

LARGEST_FILE = 64 << 20
"""Size limit of a lexicon file in bytes. That of all C files of Linux has less than 2 MB."""

LARGEST_TABLE = 256 << 20
"""Size limit of the table in a lexicon file in bytes."""

LONGEST_HEADER = 300
"""Length limit of the header in bytes."""

_FORMAT = 3
_HOW_TO_BUILD = "Build one with: seqforge c-lexicon FOLDER --output FILE"
_LINUX = "linux.lexicon"
_INCLUDE = re.compile(r"^[ \t]*+#[ \t]*+include\b[ \t]*+(.*+)", re.MULTILINE)
_C_LIBRARY = re.compile(r"<(?:std(?:io|lib|int|bool)|string|unistd|errno|pthread|ctype|math|assert|sys/\w++)\.h>")
_KERNEL_HEADER = re.compile(
    r"<(?:linux|asm|asm-generic|uapi|net|drm|media|sound|scsi|rdma|crypto|trace|kunit|acpi|video|xen|soc|keys|clocksource"
    r"|target|vdso|misc|ufs|pcmcia|memory)/"
)


def encode_lexicon(lexicon: Lexicon) -> bytes:
    """Return the content of a lexicon file."""
    header = {"seqforge_c_lexicon": _FORMAT, "files": lexicon.files}
    return json.dumps(header).encode() + b"\n" + lzma.compress(lexicon.table)


def decode_lexicon(content: bytes) -> Lexicon:
    """Parse the content of a lexicon file.

    Raises:
        ValueError: If it is not a lexicon of this version.
    """
    files, compressed = _parse_header(content)
    decompressor = lzma.LZMADecompressor(memlimit=LARGEST_TABLE)
    try:
        table = decompressor.decompress(compressed, max_length=LARGEST_TABLE)
    except (lzma.LZMAError, EOFError) as error:
        raise ValueError("the table is damaged") from error
    if not decompressor.eof or decompressor.unused_data or not is_table(table):
        raise ValueError("the table is damaged")
    return Lexicon(files, table)


def _parse_header(content: bytes) -> tuple[int, bytes]:
    line, _, compressed = content.partition(b"\n")
    header: Any = json.loads(line[:LONGEST_HEADER])
    match header:
        case {"seqforge_c_lexicon": version, "files": int(files)} if version == _FORMAT and files >= 0:
            return files, compressed
        case _:
            raise ValueError("the header is wrong")


def read_lexicon(path: Path) -> Lexicon:
    """Read a lexicon file.

    Raises:
        DataError: If it is missing, too large, or not a lexicon of this version.
    """
    try:
        content = read_bounded(path, LARGEST_FILE, follow_symlinks=True)
    except OSError as error:
        raise DataError(f"{path}: the lexicon cannot be read: {error.strerror}", hint=_HOW_TO_BUILD) from error
    try:
        return decode_lexicon(content)
    except ValueError as error:
        raise DataError(f"{path}: not a lexicon of C in the format of this version", hint=_HOW_TO_BUILD) from error


def is_of_kernel(text: str) -> bool:
    """Return whether a text may be of the kernel: it has no headers, as a sample, or those of the kernel."""
    headers: list[str] = _INCLUDE.findall(text)
    if any(map(_C_LIBRARY.match, headers)):
        return False
    return not headers or any(map(_KERNEL_HEADER.match, headers))


@cache
def read_linux_lexicon() -> Lexicon:
    """Return the lexicon of Linux, which is a part of this package."""
    content = resources.files("seqforge_code_structure").joinpath(_LINUX).read_bytes()
    files, compressed = _parse_header(content)
    return Lexicon(files, lzma.decompress(compressed))

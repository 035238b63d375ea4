"""The user's own text files."""

import codecs
import hashlib
import json
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field

from seqforge.errors import DataError
from seqforge.interfaces import Corpus, Document, ExperimentPath
from seqforge_essentials.corpora.matching import match_files


class TextFiles(Corpus):
    """Text files found by glob patterns, one document each, in any encoding that Python knows.

    Line ends stay as they are; a byte order mark at the start of a file is no part of its text.

    Args:
        files: Paths or patterns such as `notes/**/*.txt`, relative to the experiment file.
        encoding: The files' encoding, by any of Python's names for it.

    Raises:
        ValueError: Where Python knows no such encoding of text.
    """

    def __init__(
        self,
        files: Annotated[
            list[ExperimentPath],
            Field(min_length=1, description="Paths or patterns (`*`, `?`, `**`), relative to the experiment file."),
        ],
        encoding: Annotated[str, Field(description="The files' encoding, by any of Python's names for it.")] = "utf-8",
    ) -> None:
        self._patterns = files
        self._encoding = _canonical(encoding)

    def documents(self) -> Iterator[Document]:
        """Yield every file, in order of its path, converted to UTF-8.

        Raises:
            DataError: Where nothing matches, or a file cannot be read or decoded.
        """
        for name, path in self._files.items():
            try:
                content = path.read_bytes()
            except OSError as error:
                raise _unreadable(path, error) from error
            yield Document(name, _to_utf8(content, self._encoding, path))

    def fingerprint(self) -> str:
        """Digest the encoding and every file's name, size and content, without decoding any.

        Raises:
            DataError: Where nothing matches, or a file cannot be read.
        """
        digest = hashlib.blake2b(self._encoding.encode(), digest_size=16)
        for name, path in self._files.items():
            try:
                with path.open("rb") as file:
                    content = hashlib.file_digest(file, hashlib.blake2b).hexdigest()
                    size = file.tell()
            except OSError as error:
                raise _unreadable(path, error) from error
            digest.update(json.dumps([name, size, content]).encode())
        return digest.hexdigest()

    def describe(self) -> str:
        """Say how many files there are, how large, and where.

        Raises:
            DataError: Where nothing matches.
        """
        paths = list(self._files.values())
        size = sum(path.stat().st_size for path in paths)
        where = paths[0] if len(paths) == 1 else f"{len(paths):,} files under {_common_folder(paths)}"
        return f"{where}, {size:,} bytes"

    @cached_property
    def _files(self) -> dict[str, Path]:
        paths = match_files(self._patterns)
        if not any(path.stat().st_size for path in paths):
            raise DataError(f"every file is empty: {', '.join(map(str, self._patterns))}", hint="Set corpus.files.")
        folder = _common_folder(paths)
        return {_name(path.relative_to(folder)): path for path in paths}


def _canonical(encoding: str) -> str:
    try:
        b" ".decode(encoding)
    except UnicodeError:
        pass  # One space is half a character of UTF-16; that the codec said so is enough.
    except (LookupError, ValueError) as error:
        raise ValueError(f"encoding {encoding!r}: {error}; write one of Python's, such as utf-8 or latin-1") from error
    return codecs.lookup(encoding).name


def _common_folder(paths: list[Path]) -> Path:
    return Path(os.path.commonpath([path.parent for path in paths]))


def _name(path: Path) -> str:
    # A file's name may hold bytes that are no text; a document's may not.
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _to_utf8(content: bytes, encoding: str, path: Path) -> bytes:
    try:
        return content.decode(encoding).removeprefix("\ufeff").encode("utf-8")
    except UnicodeDecodeError as error:
        # A codec that takes off a byte order mark counts from behind it.
        offset = error.start + len(content) - len(error.object)
        reason = f"byte 0x{content[offset]:02x} at offset {offset} is not {encoding} ({error.reason})"
    except UnicodeError as error:
        reason = f"it cannot be read as {encoding} ({error})"
    raise DataError(
        f"{path}: {reason}", hint='Set corpus.encoding to the encoding of the files, for instance "latin-1".'
    )


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: {error.strerror}", hint="Check that you may read it.")

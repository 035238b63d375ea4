"""Corpora of your own text: files, selected by glob patterns, or text in the experiment file."""

import codecs
import hashlib
import itertools
import json
import os
import re
from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from seqforge.errors import DataError
from seqforge.events import ENCODING, Report, WorkProgressed, no_report
from seqforge.kinds import Corpus, Document, ExperimentPath
from seqforge.kinds.corpus import PART_SIZE
from seqforge_essentials.archives import read_members, reading_errors
from seqforge_essentials.downloads import download

FileOrUrl = Annotated[Annotated[str, Field(pattern="://")] | ExperimentPath, Field(union_mode="left_to_right")]

Files = Annotated[
    list[FileOrUrl],
    Field(
        min_length=1,
        description="Paths or patterns (`*`, `?`, `**`), relative to the experiment file; or URLs.",
        examples=["notes.txt"],
    ),
]
"""Option of a corpus in files."""

_WORD_END = re.compile(rb"(?<=[!-~])[ \r\n]")
"""Place at which a text in UTF-8 can be divided without a change of its words."""


def find_encoding(encoding: str) -> str:
    """Return the usual name of a text encoding.

    Raises:
        ValueError: If Python does not have it.
    """
    try:
        b" ".decode(encoding)
    except UnicodeError:
        pass  # The encoding exists. One space is half a character of UTF-16, so it may fail to decode.
    except (LookupError, ValueError) as error:
        raise ValueError(
            f"encoding {encoding!r}: {error}; choose a text encoding of Python, such as utf-8 or latin-1"
        ) from error
    return codecs.lookup(encoding).name


Encoding = Annotated[
    str,
    AfterValidator(find_encoding),
    Field(description="Text encoding of the files, by its name in Python, such as `latin-1`."),
]


class InlineText(Corpus):
    """One document whose text is in the experiment file."""

    def __init__(
        self, text: Annotated[str, Field(min_length=1, description="Text of the corpus.", examples=["to be or not"])]
    ) -> None:
        self._content = text.encode("utf-8")

    def documents(self) -> Iterator[Document]:
        """Yield the document, whose name is `inline`."""
        yield Document("inline", self._content)

    def fingerprint(self) -> str:
        """Return an empty text, since the text is an option."""
        return ""

    def describe(self) -> str:
        """Return the size of the text, for the user."""
        return f"{len(self._content):,} bytes of text in the experiment"


class FileCorpus(Corpus):
    """A corpus in files that glob patterns select."""

    def __init__(self, files: list[str | Path]) -> None:
        self._patterns = [file for file in files if isinstance(file, Path)]
        self._urls = [file for file in files if isinstance(file, str)]

    @abstractmethod
    def read_file(self, name: str, path: Path) -> Iterator[Document]:
        """Yield the documents of a file, whose names begin with that of the file."""

    def documents(self) -> Iterator[Document]:
        """Yield the documents of every file, in the order of the paths.

        Raises:
            DataError: If a pattern matches no file, or a file cannot be read or decoded.
        """
        return self.read(no_report)

    def read(self, report: Report) -> Iterator[Document]:
        """Yield the documents, and report the fraction of the bytes that were read."""
        sizes = {path: path.stat().st_size for path in self.files.values() if path.exists()}
        done, total = 0, sum(sizes.values()) or 1
        for name, path in self.files.items():
            size = 0
            for document in self.read_file(name, path):
                yield document
                # A text is larger than the file if this is compressed.
                size = min(size + len(document.content), sizes.get(path, 0))
                report(WorkProgressed(ENCODING, (done + size) / total))
            done += sizes.get(path, 0)

    def fingerprint(self) -> str:
        """Return a digest of the name, size and content of every file.

        Raises:
            DataError: If a pattern matches no file, or a file cannot be read.
        """
        digest = hashlib.blake2b(digest_size=16)
        for name, path in self.files.items():
            with reading_errors(path), path.open("rb") as file:
                content = hashlib.file_digest(file, hashlib.blake2b).hexdigest()
                size = file.tell()
            digest.update(json.dumps([name, size, content]).encode())
        return digest.hexdigest()

    def describe(self) -> str:
        """Return the number, folder and size of the files, for the user.

        Raises:
            DataError: If a pattern matches no file.
        """
        paths = list(self.files.values())
        size = sum(path.stat().st_size for path in paths)
        if self._urls:
            place = ", ".join(map(str, (*self._patterns, *self._urls)))
        else:
            place = paths[0] if len(paths) == 1 else f"{len(paths):,} files under {_find_common_folder(paths)}"
        return f"{place}, {size:,} bytes"

    @cached_property
    def files(self) -> dict[str, Path]:
        """The files in the order of their paths, by their names relative to their common folder.

        Raises:
            DataError: If a pattern matches no file.
        """
        paths = sorted({path for pattern in self._patterns for path in _match(pattern)})
        self._downloads = [one for url in self._urls for one in download(url)]  # Their copies stay in the cache.
        if not any(path.stat().st_size for path in (*paths, *(one.path for one in self._downloads))):
            raise DataError(
                f"corpus.files: every file is empty: {', '.join(map(str, (*self._patterns, *self._urls)))}",
                hint="Choose files that contain text.",
            )
        folder = _find_common_folder(paths)
        # A file name may contain bytes that are not UTF-8. A document name is text.
        encoded = {os.fsencode(path.relative_to(folder).as_posix()): path for path in paths}
        names = {name.decode("utf-8", "backslashreplace"): path for name, path in encoded.items()}
        return names | {one.name: one.path for one in self._downloads}


class TextFiles(FileCorpus):
    """Text files selected by glob patterns, one document each, in any encoding that Python supports.

    Line ends stay as they are. A byte order mark at the start of a file is not part of its text. A file that is
    compressed with gzip, bzip2, xz or Zstandard is decompressed. Each file in a zip or tar archive is a document.

    A pattern may contain `*`, `?`, `[…]`, and `**`, which matches any number of folders. `**` at the end of a pattern
    matches every file below. Only a pattern that contains a name with a leading dot matches such names. The
    longest leading part of a pattern that exists as a file or folder is literal.

    Raises:
        ValueError: If Python does not have this text encoding.
    """

    def __init__(
        self,
        files: Files,
        encoding: Encoding = "utf-8",
        members: Annotated[str, Field(description="Pattern of the files in an archive, such as `*.txt`.")] = "*",
    ) -> None:
        super().__init__(files)
        self._encoding = find_encoding(encoding)
        self._members = members

    def read_file(self, name: str, path: Path) -> Iterator[Document]:
        """Yield a file, or the files in an archive, converted to UTF-8. A long text is divided into parts.

        Raises:
            DataError: If the file cannot be read or decoded.
        """
        for member, chunks in read_members(path, self._members):
            document = f"{name}/{member}" if member else name
            for content in _to_utf8(chunks, self._encoding, path / member if member else path):
                yield Document(document, content)


def _match(pattern: Path) -> list[Path]:
    try:
        if pattern.is_file():
            return [pattern.parent.resolve() / pattern.name]
        if pattern.is_dir():
            raise DataError(
                f"corpus.files: {pattern} is a folder", hint=f"To select every file below it, write {pattern / '**'}."
            )
        if os.path.lexists(pattern):
            reason = "is a pipe or a device" if pattern.exists() else "is a link to a file that does not exist"
            raise DataError(f"corpus.files: {pattern} {reason}", hint="Name a regular file.")
        folder = next(parent for parent in pattern.parents if parent.is_dir())
        matches = _glob(folder.resolve(), pattern.parts[len(folder.parts) :])
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}", hint="Check the path and its permissions.") from error
    except ValueError as error:
        raise DataError(
            f"{pattern} is not a pattern: {error}", hint="`**` must be a whole path component, as in `a/**/b`."
        ) from error
    if not matches:
        raise DataError(f"corpus.files: no file matches {pattern}", hint=_advise(pattern, folder))
    return matches


def _advise(pattern: Path, folder: Path) -> str:
    """Return a hint for a pattern without a match, of which this folder exists."""
    here = Path.cwd() / pattern.name
    if here.is_file():
        return f"Paths begin in the folder of the experiment. For the file in the current folder, write {here}."
    if "," in pattern.name:
        return 'Write several files as a list: ["first.txt", "second.txt"].'
    if folder == pattern.parent and pattern.name == "**":
        return "The folder has no files."
    return f"The nearest folder that exists is {folder}. If the text was moved: --set corpus.files=/ITS/NEW/PATH"


def _glob(folder: Path, parts: tuple[str, ...]) -> list[Path]:
    # Before Python 3.13, a pattern that ends in `**` matches only folders.
    pattern = "/".join((*parts, "*") if parts[-1] == "**" else parts)
    include_hidden = any(part.startswith(".") for part in parts)
    return [
        path
        for path in folder.glob(pattern)
        if path.is_file()
        and (include_hidden or not any(part.startswith(".") for part in path.relative_to(folder).parts))
    ]


def _find_common_folder(paths: list[Path]) -> Path:
    return Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()


def _to_utf8(chunks: Iterator[bytes], encoding: str, path: Path) -> Iterator[bytes]:
    """Yield a text in UTF-8, in parts of at least `PART_SIZE` bytes that end after a word."""
    part: list[bytes] = []
    size = 0
    for chunk in _decode(chunks, encoding, path):
        found = _WORD_END.search(chunk) if size >= PART_SIZE else None
        if found or size > 2 * PART_SIZE:
            end = found.start() if found else 0
            yield b"".join([*part, chunk[:end]])
            part, size = [], 0
            chunk = chunk[end:]
        part.append(chunk)
        size += len(chunk)
    yield b"".join(part)


def _decode(chunks: Iterator[bytes], encoding: str, path: Path) -> Iterator[bytes]:
    """Yield the whole characters of each chunk in UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)()
    mark, offset = "\ufeff", 0
    for chunk in itertools.chain(chunks, [b""]):
        if encoding == "utf-8" and chunk.isascii() and not decoder.getstate()[0]:
            decoded = chunk
        else:
            try:
                decoded = decoder.decode(chunk, final=not chunk).removeprefix(mark).encode("utf-8")
            except UnicodeError as error:
                raise _decoding_error(error, chunk, offset, encoding, path) from error
        offset += len(chunk)
        mark = "" if decoded else mark
        yield decoded


def _decoding_error(error: UnicodeError, chunk: bytes, offset: int, encoding: str, path: Path) -> DataError:
    """Return an error about a chunk that begins at an offset of a file."""
    hint = 'Set corpus.encoding to the encoding of the files, such as "latin-1".'
    if not isinstance(error, UnicodeDecodeError):
        return DataError(f"{path}: cannot be decoded as {encoding} ({error})", hint=hint)
    # The decoder may still hold bytes of the previous chunk, and removes a byte order mark.
    place = offset + len(chunk) - len(error.object) + error.start
    if offset == 0 and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        hint = 'The file begins like text in UTF-16: set corpus.encoding to "utf-16".'
    elif b"\0" in chunk and encoding == "utf-8":  # UTF-16 contains it too.
        hint = (
            'The file may be binary: leave it out of corpus.files. For text in UTF-16, set corpus.encoding to "utf-16".'
        )
    byte = error.object[error.start]
    return DataError(f"{path}: byte 0x{byte:02x} at offset {place} is not {encoding} ({error.reason})", hint=hint)

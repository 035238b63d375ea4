"""The corpus `linux-source`."""

from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from seqforge.errors import DataError
from seqforge.events import Report, no_report
from seqforge.kinds import Corpus, Document, ExperimentPath
from seqforge_linux_source.locate import Tree, find_source, open_source
from seqforge_linux_source.source import SIZE_LIMIT, Archive, Selection

_GENERATED_REGISTERS = "drivers/gpu/drm/amd/include/asic_reg/**"
"""Generated headers of register numbers: 35% of all bytes of C in Linux 6.12."""


class LinuxSource(Corpus):
    """The C source of Linux, from a tree or a tar archive.

    Each file is one document, with a name relative to the kernel's root, such as `kernel/fork.c`. Empty files are
    skipped. A file that is not UTF-8 is decoded as Latin-1.

    Raises:
        ExperimentError: If a pattern is invalid.
    """

    def __init__(
        self,
        source: Annotated[
            Literal["auto"] | ExperimentPath,
            Field(
                description="Path of a source tree, or of a tar archive (plain, .xz, .gz or .bz2). "
                "`auto` searches the machine for one of these.",
                union_mode="left_to_right",
            ),
        ] = "auto",
        include: Annotated[
            tuple[str, ...],
            Field(description="Patterns as in .gitignore. A file is read if it matches one of them.", min_length=1),
        ] = ("**",),
        exclude: Annotated[
            tuple[str, ...],
            Field(description="Patterns as in .gitignore. A file is skipped if it matches one of them."),
        ] = (_GENERATED_REGISTERS,),
        suffixes: Annotated[tuple[str, ...], Field(description="Suffixes of the files to read.", min_length=1)] = (
            ".c",
            ".h",
        ),
        size_limit: Annotated[
            int,
            Field(
                gt=0,
                description="Largest number of bytes to read. Of an archive, all files count, decompressed.",
            ),
        ] = SIZE_LIMIT,
    ) -> None:
        # In a call from Python, a path may be a string.
        self._where = None if source == "auto" else Path(source)
        self._size_limit = size_limit
        self._selection = Selection(include, exclude, suffixes)

    def documents(self) -> Iterator[Document]:
        """Yield every selected file that is not empty."""
        return self.read(no_report)

    def read(self, report: Report) -> Iterator[Document]:
        """Yield the documents, and report progress while an archive has no selected file."""
        empty = True
        # Close the source even if the caller stops early.
        with closing(self._source.files(self._selection, self._size_limit, report)) as files:
            for name, content in files:
                if content:
                    empty = False
                    yield Document(name, _to_utf8(content))
        if empty:
            raise DataError(
                f"no file matches {self._selection}. {self._source.describe()}",
                hint="Names are relative to the kernel's root, such as kernel/fork.c. Write patterns as in .gitignore.",
            )

    def fingerprint(self) -> str:
        """Return a digest of the archive, or of the selected files of a tree."""
        return self._source.fingerprint(self._selection)

    def describe(self) -> str:
        """Return a sentence with the kind and the location of the source."""
        return self._source.describe()

    @cached_property
    def _source(self) -> Archive | Tree:
        try:
            return find_source() if self._where is None else open_source(self._where)
        except OSError as error:
            raise DataError(
                f"{error.filename}: {error.strerror}", hint="Check the path and its permissions."
            ) from error


def _to_utf8(content: bytes) -> bytes:
    # Nearly every file is ASCII, for which this test is the fastest.
    if content.isascii():
        return content
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1").encode()
    return content

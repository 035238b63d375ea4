"""The corpus `linux-source`, and the search for the source of Linux on the machine."""

import os
import platform
import re
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from seqforge.errors import DataError
from seqforge.events import Report, no_report
from seqforge.kinds import Corpus, Document, ExperimentPath
from seqforge.storage.paths import expand_home
from seqforge_linux_source.source import SIZE_LIMIT, Archive, Selection, Tree

VARIABLE = "SEQFORGE_LINUX_SOURCE"
SOURCES = Path("/usr/src")
BUILD = Path("/lib/modules") / platform.release() / "build"

_ARCHIVES = ("linux-source-*.tar.xz", "linux-source-*.tar.bz2")
"""Patterns of the names of the archives of Debian and Ubuntu."""

_TREES = "linux-*"
"""Pattern of the names of the trees of Debian-based systems."""

INCLUDED = Archive(
    Path(__file__).parent / "linux-6.12-core.tar.xz",
    "No Linux source is installed, so this is the part of Linux 6.12 that comes with seqforge: kernel/ and "
    "include/uapi/linux/. For all of it, run `apt-get install linux-source`, or set `source`.",
)
"""The core of the kernel and its headers for user space: the text of the first run, on every machine."""


def find_source(sources: Path = SOURCES, build: Path = BUILD) -> Archive | Tree:
    """Return the source at the first place that has one, or the part of Linux that comes with the plugin.

    The places are the path in `SEQFORGE_LINUX_SOURCE`, a folder with archives and trees, and the build tree of the
    running kernel.

    Raises:
        DataError: If the path in `SEQFORGE_LINUX_SOURCE` is invalid or does not exist.
    """
    if chosen := os.environ.get(VARIABLE):
        try:
            path = expand_home(chosen)
        except ValueError as error:
            raise DataError(f"{VARIABLE}: {error}") from error
        return open_source(path, named_by=f"{VARIABLE}: ")
    archives = [path for pattern in _ARCHIVES for path in sources.glob(pattern) if path.is_file()]
    if archives:
        return Archive(max(archives, key=_parse_version))
    trees = sorted(sources.glob(_TREES), key=_parse_version, reverse=True)
    # The packages linux-headers-* of a distribution have the headers of the kernel, but no source.
    whole = (folder for folder in (*trees, build) if (folder / "kernel/fork.c").is_file())
    return next(map(Tree, whole), INCLUDED)


def open_source(path: Path, named_by: str = "") -> Archive | Tree:
    """Return the source at a path. Error messages begin with `named_by`, which states where the path comes from.

    Raises:
        DataError: If the path does not exist.
    """
    if path.is_dir():
        return Tree(path)
    if path.is_file():
        return Archive(path)
    reason = "is neither a file nor a folder" if path.exists() else "does not exist"
    raise DataError(
        f"{named_by}{path} {reason}",
        hint='Set `source` to a source tree or a tar archive, or to "auto", which searches for one.',
    )


def _parse_version(path: Path) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", path.name)], path.name


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
                description="Path of a source tree, or of a tar archive (plain, .xz, .gz, .bz2 or .zst). "
                "`auto` searches the machine for one of these.",
                union_mode="left_to_right",
            ),
        ] = "auto",
        include: Annotated[
            tuple[str, ...],
            Field(
                description="Patterns as in .gitignore. A file is read if it matches one; each must match a file.",
                min_length=1,
            ),
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
                description="Largest number of bytes to read: of an archive, those of all its files, decompressed.",
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
        """Yield the documents, and report progress while an archive has no selected file.

        Raises:
            DataError: If a pattern of `include` has no document, or the source is unreadable or too large.
        """
        missing = self._selection.patterns
        # Close the source even if the caller stops early.
        with closing(self._source.files(self._selection, self._size_limit, report)) as files:
            for name, content in files:
                if content:
                    missing = {pattern: spec for pattern, spec in missing.items() if not spec.match_file(name)}
                    yield Document(name, _to_utf8(content))
        if missing:
            raise DataError(
                f"no file matches {', '.join(missing)} of {self._selection}. {self._source.describe()}",
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
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1").encode()
    return content

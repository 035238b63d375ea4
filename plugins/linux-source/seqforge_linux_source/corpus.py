"""The Linux-source corpus."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from seqforge.errors import DataError
from seqforge.interfaces import Corpus, Document, ExperimentPath
from seqforge_linux_source.download import LINUX_MIRROR, Release
from seqforge_linux_source.locate import Places, find_source, open_source
from seqforge_linux_source.selection import Selection
from seqforge_linux_source.source import DecoderContext

_FORMAT = 1
"""Raised whenever the same source and options would yield other documents than before."""

_GENERATED_REGISTERS = "drivers/gpu/drm/amd/include/asic_reg/**"
"""Headers of register numbers that a program wrote: 35% of all bytes of C in Linux 6.12."""


class LinuxSource(Corpus):
    """The C source of Linux: from a tree, a tar archive, a git repository at a tag, or a download.

    A document is a file, named relative to the kernel's root whatever the source, such as `kernel/fork.c`. Empty
    files are left out. A file that is not UTF-8 is taken for Latin-1 and converted.

    Raises:
        ExperimentError: Where a pattern is none, or a release to download has no known hash.
    """

    def __init__(
        self,
        source: Annotated[
            Literal["auto", "download"] | ExperimentPath,
            Field(
                description="A tree, a tar archive (plain, .xz, .gz, .zst or .bz2) or a git repository; `auto` looks "
                "for one on the machine, `download` fetches a release.",
                union_mode="left_to_right",
            ),
        ] = "auto",
        tag: Annotated[
            str | None,
            Field(description="A tag of the git repository, such as `v6.12`.", pattern=r"^\w[\w.+/-]*$"),
        ] = None,
        include: Annotated[
            tuple[str, ...],
            Field(description="Patterns as in .gitignore, of which a file's name must match one.", min_length=1),
        ] = ("**",),
        exclude: Annotated[
            tuple[str, ...],
            Field(description="Patterns as in .gitignore, of which a file's name must match none."),
        ] = (_GENERATED_REGISTERS,),
        suffixes: Annotated[
            tuple[str, ...],
            Field(description="Endings of which a file's name must have one.", min_length=1),
        ] = (".c", ".h"),
        release: Annotated[
            str, Field(description="The release to download.", pattern=r"^\d{1,3}\.\d{1,3}(\.\d{1,4})?$")
        ] = "6.12",
        sha256: Annotated[
            str | None,
            Field(
                description="The SHA-256 of that release's .tar.xz; known for the default release.",
                pattern="^[0-9a-f]{64}$",
            ),
        ] = None,
        mirror: Annotated[
            str,
            Field(description="Where to download from: the folder that holds `v6.x/`.", pattern="^https?://"),
        ] = LINUX_MIRROR,
    ) -> None:
        # A plain string is a path, too: in Python, where nothing has made it one, it must not pass for `auto`.
        self._where = source if source in ("auto", "download") else Path(source)
        self._tag = tag
        self._selection = Selection(include, exclude, suffixes)
        self._release = Release.choose(release, sha256, mirror) if source == "download" else None

    def documents(self) -> Iterator[Document]:
        """Yield every selected file; see `Corpus.documents`."""
        empty = True
        # Closed here and now, also where the reader stops early or is interrupted.
        with closing(self._source.files(self._selection)) as files:
            for name, content in files:
                if content:
                    empty = False
                    yield Document(name, _as_utf8(content))
        if empty:
            raise DataError(
                f"no file is selected by {self._selection}. {self._source.describe()}",
                hint="Names are relative to the kernel's root, such as kernel/fork.c; patterns are as in .gitignore.",
            )

    def fingerprint(self) -> str:
        """Digest the source and the selection; see `Corpus.fingerprint`."""
        selection = self._selection
        parts = [
            _FORMAT, self._source.fingerprint(selection), selection.include, selection.exclude, selection.suffixes
        ]  # fmt: skip
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=32).hexdigest()

    def describe(self) -> str:
        """Say what was found and where; see `Corpus.describe`."""
        return self._source.describe()

    @cached_property
    def _source(self) -> DecoderContext:
        if self._release is not None:
            return self._release
        places = Places.of_this_machine()
        if isinstance(self._where, str):
            return find_source(places, self._tag, self._selection)
        return open_source(self._where, self._tag, places)


def _as_utf8(content: bytes) -> bytes:
    # ASCII first: it is nearly every file, and nothing is quicker to tell.
    if content.isascii():
        return content
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1").encode()
    return content

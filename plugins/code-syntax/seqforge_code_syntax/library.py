"""The corpus `python-library`: the standard library of the Python that runs."""

import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from seqforge.errors import DataError
from seqforge.kinds import Corpus, Document

_EXCLUDED = {"site-packages", "dist-packages", "test", "tests", "idle_test", "lib2to3"}
"""Folders that are not read: installed packages, and tests, of which some are wrong on purpose."""


class PythonLibrary(Corpus):
    """The modules of Python's standard library, as they are installed with the interpreter, without their tests.

    The few that are not ASCII are left out, so that a vocabulary of characters is small.
    """

    def documents(self) -> Iterator[Document]:
        """Yield each module, by its path in the library.

        Raises:
            DataError: If the library has no source files.
        """
        for name, path in self._find_files().items():
            content = path.read_bytes()
            if content and content.isascii():
                yield Document(name, content)

    def _find_files(self) -> dict[str, Path]:
        folder = Path(sysconfig.get_path("stdlib"))
        found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.py"))}
        if not found:
            raise DataError(f"{folder}: no source of Python's library", hint="Install the source files of Python.")
        return {name: path for name, path in found.items() if not _EXCLUDED & {*name.split("/")}}

    def fingerprint(self) -> str:
        """Return a digest of the version of Python, and of the names and sizes of the files."""
        files = [f"{name} {path.stat().st_size}" for name, path in self._find_files().items()]
        return hashlib.blake2b("\n".join([sys.version, *files]).encode(), digest_size=16).hexdigest()

    def describe(self) -> str:
        """Return the version and the folder of the library."""
        return f"The standard library of Python {sys.version.partition(' ')[0]}, {sysconfig.get_path('stdlib')}"

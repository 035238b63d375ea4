"""The corpus `python-library`: the standard library of the interpreter that runs."""

import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from seqforge.errors import DataError
from seqforge.kinds import Corpus, Document

_EXCLUDED = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "lib2to3"})
"""Folders that are not read: installed packages, and tests, of which some are wrong on purpose."""


class PythonLibrary(Corpus):
    """The modules of Python's standard library, as they are installed with the interpreter, without their tests.

    The few that are not ASCII are left out, so that a vocabulary of characters is small.
    """

    def documents(self) -> Iterator[Document]:
        """Yield each module that is UTF-8, by its path in the library.

        Raises:
            DataError: If the library has no source files.
        """
        for path in self._find_files():
            content = path.read_bytes()
            if content and content.isascii():
                yield Document(path.relative_to(self._folder).as_posix(), content)

    @property
    def _folder(self) -> Path:
        return Path(sysconfig.get_path("stdlib"))

    def _find_files(self) -> list[Path]:
        folder = self._folder
        found = [path for path in sorted(folder.rglob("*.py")) if not _EXCLUDED & {*path.relative_to(folder).parts}]
        if not found:
            raise DataError(f"{folder}: no source of Python's library", hint="Install the source files of Python.")
        return found

    def fingerprint(self) -> str:
        """Return a digest of the version of Python, and of the names and sizes of the files."""
        files = [f"{path.relative_to(self._folder)} {path.stat().st_size}" for path in self._find_files()]
        return hashlib.blake2b("\n".join([sys.version, *files]).encode(), digest_size=16).hexdigest()

    def describe(self) -> str:
        """Return the version and the folder of the library."""
        return f"The standard library of Python {sys.version.partition(' ')[0]}, {self._folder}"

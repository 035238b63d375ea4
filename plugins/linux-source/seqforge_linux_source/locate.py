"""Find Linux source on the machine, and open the source at a path."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from seqforge.errors import DataError
from seqforge.storage.paths import expand_home
from seqforge_linux_source.archive import Archive
from seqforge_linux_source.source import Source
from seqforge_linux_source.tree import Tree

VARIABLE = "SEQFORGE_LINUX_SOURCE"
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


@dataclass(frozen=True, slots=True)
class Places:
    """The places that may contain Linux source, in the order of the search.

    Attributes:
        variable: Value of `SEQFORGE_LINUX_SOURCE`, or "".
        sources: Folder with archives and trees.
        build: Build tree of the running kernel.
    """

    variable: str = ""
    sources: Path = Path("/usr/src")
    build: Path = Path("/lib/modules") / platform.release() / "build"

    @classmethod
    def of_this_machine(cls) -> "Places":
        """Return the places of this machine, with the folders of Debian-based systems."""
        return cls(variable=os.environ.get(VARIABLE, ""))


def find_source(places: Places) -> Source:
    """Return the source at the first place that has one, or the part of Linux that comes with the plugin.

    Raises:
        DataError: If the path in `SEQFORGE_LINUX_SOURCE` is invalid or does not exist.
    """
    if places.variable:
        try:
            chosen = expand_home(places.variable)
        except ValueError as error:
            raise DataError(f"{VARIABLE}: {error}") from error
        return open_source(chosen, named_by=f"{VARIABLE}: ")
    archives = [path for pattern in _ARCHIVES for path in places.sources.glob(pattern) if path.is_file()]
    if archives:
        return Archive(max(archives, key=_parse_version))
    trees = sorted(places.sources.glob(_TREES), key=_parse_version, reverse=True)
    # The packages linux-headers-* of a distribution have the headers of the kernel, but no source.
    whole = (folder for folder in (*trees, places.build) if (folder / "kernel/fork.c").is_file())
    return next(map(Tree, whole), INCLUDED)


def open_source(path: Path, named_by: str = "") -> Source:
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

"""Find Linux source on the machine, and open the source at a path."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from seqforge.errors import DataError
from seqforge.storage.paths import expand_home
from seqforge_linux_source.archive import Archive
from seqforge_linux_source.source import Selection, Source
from seqforge_linux_source.tree import Tree

VARIABLE = "SEQFORGE_LINUX_SOURCE"
_ARCHIVES = ("linux-source-*.tar.xz", "linux-source-*.tar.bz2")
"""Patterns of the names of the archives of Debian and Ubuntu."""

_TREES = "linux-*"
"""Pattern of the names of the trees of Debian-based systems."""

SAMPLE_ROOT = Path(__file__).parent / "sample"
"""Folder with C in the style of the kernel, for machines without Linux source. It is not Linux."""


@dataclass(frozen=True, slots=True)
class Places:
    """The places that may contain Linux source, in the order of the search.

    Attributes:
        variable: Value of `SEQFORGE_LINUX_SOURCE`, or "".
        sources: Folder with archives and trees.
        build: Build tree of the running kernel.
        headers: Folder with the kernel's headers for user space.
    """

    variable: str = ""
    sources: Path = Path("/usr/src")
    build: Path = Path("/lib/modules") / platform.release() / "build"
    headers: Path = Path("/usr/include/linux")

    @classmethod
    def of_this_machine(cls) -> "Places":
        """Return the places of this machine, with the folders of Debian-based systems."""
        return cls(variable=os.environ.get(VARIABLE, ""))

    def __str__(self) -> str:
        patterns = ", ".join(f"{self.sources}/{pattern}" for pattern in (*_ARCHIVES, _TREES))
        return f"{VARIABLE}, {patterns}, {self.build}, {self.headers}"


def find_source(places: Places, selection: Selection) -> Source:
    """Return the source at the first place that has one, or the sample of the plugin.

    Trees without a selected file are skipped. Archives are not, since reading them takes too long.

    Raises:
        DataError: If the path in `SEQFORGE_LINUX_SOURCE` or a tree is unreadable.
    """
    if places.variable:
        try:
            chosen = expand_home(places.variable)
        except ValueError as error:
            raise DataError(f"{VARIABLE}: {error}") from error
        return open_source(chosen, places, named_by=f"{VARIABLE}: ")
    archives = [path for pattern in _ARCHIVES for path in places.sources.glob(pattern) if path.is_file()]
    if archives:
        return Archive(max(archives, key=_parse_version))
    trees = sorted(places.sources.glob(_TREES), key=_parse_version, reverse=True)
    for folder in (*trees, places.build, places.headers):
        is_headers = folder == places.headers
        # The linux-headers-* packages of a distribution may contain only links and generated files.
        if (folder if is_headers else folder / "include" / "linux").is_dir():
            tree = _open_tree(folder, places)
            if tree.contains_any(selection):
                return tree
    return Tree(
        SAMPLE_ROOT,
        "",
        f"No Linux source was found, so this is NOT Linux: it is a small sample of C in the style of the kernel. "
        f'Searched: {places}. For Linux itself, run `apt-get install linux-source` or set `source = "download"`.',
    )


def open_source(path: Path, places: Places, named_by: str = "") -> Source:
    """Return the source at a path. Error messages begin with `named_by`, which states where the path comes from.

    Raises:
        DataError: If the path does not exist.
    """
    if path.is_dir():
        return _open_tree(path, places)
    if path.is_file():
        return Archive(path)
    reason = "is neither a file nor a folder" if path.exists() else "does not exist"
    raise DataError(
        f"{named_by}{path} {reason}",
        hint='Set `source` to a source tree or a tar archive, or to "auto", which searches for one.',
    )


def _open_tree(folder: Path, places: Places) -> Tree:
    # In the kernel's tree, the headers for user space are in include/uapi/linux.
    if folder.resolve() == places.headers.resolve():
        return Tree(
            folder,
            "include/uapi/linux/",
            f"Linux headers for user space from {folder}, as include/uapi/linux.",
        )
    return Tree(folder, "", f"Linux source from the tree {folder}.")


def _parse_version(path: Path) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", path.name)], path.name

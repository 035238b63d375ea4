"""From the option `source` to a place that holds Linux source."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from seqforge.errors import DataError
from seqforge.files import expand_home
from seqforge_linux_source.archive import Archive
from seqforge_linux_source.git import GitTag
from seqforge_linux_source.sample import sample
from seqforge_linux_source.selection import Selection
from seqforge_linux_source.source import DecoderContext
from seqforge_linux_source.tree import Tree

VARIABLE = "SEQFORGE_LINUX_SOURCE"
_ARCHIVES = ("linux-source-*.tar.xz", "linux-source-*.tar.bz2")
"""Debian's name, and Ubuntu's."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where Linux source may be on a machine, in the order in which it is sought.

    Attributes:
        variable: The value of `SEQFORGE_LINUX_SOURCE`, or "".
        sources: The folder of source packages and trees.
        build: The running kernel's build tree.
        headers: The kernel's headers for user space.
    """

    variable: str = ""
    sources: Path = Path("/usr/src")
    build: Path = Path("/lib/modules") / platform.release() / "build"
    headers: Path = Path("/usr/include/linux")

    @classmethod
    def of_this_machine(cls) -> "Places":
        """Read the environment; the rest is where Debian and its kin have it."""
        return cls(variable=os.environ.get(VARIABLE, ""))

    def __str__(self) -> str:
        return f"{VARIABLE}, {self.sources}/linux-source-*.tar.xz, {self.sources}/linux-*, {self.build}, {self.headers}"


def find_source(places: Places, tag: str | None, selection: Selection) -> DecoderContext:
    """Find Linux source: the first place that has it, or the sample that comes with the plugin.

    A tree is passed over where nothing in it is selected. An archive is taken unread.

    Args:
        places: Where to look.
        tag: A git tag, which only `SEQFORGE_LINUX_SOURCE` can have.
        selection: Which files are wanted.

    Raises:
        DataError: Where `SEQFORGE_LINUX_SOURCE` names what cannot be read, or a tree is unreadable.
    """
    if places.variable:
        try:
            chosen = expand_home(places.variable)
        except ValueError as error:
            raise DataError(f"{VARIABLE}: {error}") from error
        return open_source(chosen, tag, places, named_by=f"{VARIABLE}: ")
    if tag is not None:
        raise DataError(
            f'tag = {tag!r} wants a git repository, and source = "auto" looks for none',
            hint=f"Give the repository as `source`, or in {VARIABLE}.",
        )
    archives = [path for pattern in _ARCHIVES for path in places.sources.glob(pattern) if path.is_file()]
    if archives:
        return Archive(max(archives, key=_version))
    trees = sorted(places.sources.glob("linux-*"), key=_version, reverse=True)
    for folder in (*trees, places.build, places.headers):
        is_headers = folder == places.headers
        # What a distribution calls linux-headers-* may hold links and generated files only.
        if (folder if is_headers else folder / "include" / "linux").is_dir():
            tree = _tree(folder, places)
            if tree.holds(selection):
                return tree
    return sample(str(places))


def open_source(path: Path, tag: str | None, places: Places, named_by: str = "") -> DecoderContext:
    """Open Linux source at a path.

    Args:
        path: A folder or an archive.
        tag: A git tag, for a repository.
        places: Where the kernel's headers for user space are, whose names are completed.
        named_by: Who named the path, for messages.

    Raises:
        DataError: Where the path is missing, or is not what `tag` or its absence asks for.
    """
    if path.is_dir():
        if tag is not None:
            return GitTag(path, tag)
        if (path / "HEAD").is_file() and (path / "objects").is_dir():
            raise DataError(f"{named_by}{path} is a bare git repository", hint='Say which tag: tag = "v6.12".')
        return _tree(path, places)
    if path.is_file():
        if tag is not None:
            raise DataError(f"{named_by}{path} is a file, and `tag` wants a git repository", hint="Leave out `tag`.")
        return Archive(path)
    reason = "is neither a file nor a folder" if path.exists() else "does not exist"
    raise DataError(
        f"{named_by}{path} {reason}",
        hint='Give a source tree, a tar archive or a git repository; source = "auto" looks for one.',
    )


def _tree(folder: Path, places: Places) -> Tree:
    # The headers for user space are include/uapi/linux of the kernel's tree.
    if folder.resolve() == places.headers.resolve():
        return Tree(
            folder, "include/uapi/linux/", f"Linux's headers for user space from {folder}, as include/uapi/linux."
        )
    return Tree(folder, "", f"Linux source from the tree {folder}.")


def _version(path: Path) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", path.name)], path.name

"""The selection of the files of a source of Linux, the limits of what is read, and the rules for names."""

from collections.abc import Sequence

import pathspec

from seqforge.errors import DataError, ExperimentError

LARGEST_FILE = 64 << 20
"""Size limit of a file in bytes. The largest file of Linux 6.12 has 24 million bytes."""

SIZE_LIMIT = 8 << 30
"""Default limit in bytes of what is read from a source. Linux 6.12 has 1.6 billion bytes."""

_LONGEST_NAME = 4096
"""Length limit of a name in bytes, which is that of Linux for a path (`PATH_MAX`)."""

_KERNEL_FOLDERS = {
    "Documentation", "LICENSES", "arch", "block", "certs", "crypto", "drivers", "fs", "include", "init", "io_uring",
    "ipc", "kernel", "lib", "mm", "net", "rust", "samples", "scripts", "security", "sound", "tools", "usr", "virt",
}  # fmt: skip


class Selection:
    """The files that become documents, selected by name.

    Patterns are those of `.gitignore`: `kernel/**` matches everything in `kernel/`, `*.h` matches every header, and a
    pattern after a `!` excludes what an earlier pattern matched. A name must match at least one pattern of `include`
    and none of `exclude`, and have one of the suffixes.

    Raises:
        ExperimentError: If a pattern is invalid.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str], suffixes: Sequence[str]) -> None:
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self.suffixes = tuple(suffixes)
        self._include = _compile("include", include)
        self._exclude = _compile("exclude", exclude)

    def accepts(self, name: str) -> bool:
        """Return whether a file with a name relative to the kernel's root becomes a document."""
        # The suffix is the cheapest test and rejects most files.
        return name.endswith(self.suffixes) and self._include.match_file(name) and not self._exclude.match_file(name)

    def __str__(self) -> str:
        return f"include {list(self.include)}, exclude {list(self.exclude)}, suffixes {list(self.suffixes)}"


def check_size(size: int, limit: int, place: object) -> None:
    """Raise a DataError if more bytes must be read than the limit permits."""
    if size > limit:
        raise DataError(
            f"{place}: at least {size:,} bytes must be read; the limit is {limit:,}",
            hint="If you trust this source, raise the option `size_limit` of the corpus.",
        )


def normalize_name(raw: bytes) -> str | None:
    """Return the name of a file without a leading `./`, or None if a document must not have this name.

    A name must be relative, printable, UTF-8, and not too long. It must not contain `..`.
    """
    if len(raw) > _LONGEST_NAME:
        return None
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        return None
    while name.startswith("./"):
        name = name[2:]
    parts = name.split("/")
    if "" in parts or "." in parts or ".." in parts or not name.isprintable():
        return None
    return name


def find_top_folder(name: str) -> str:
    """Return the folder that contains all files of an archive, such as `linux-6.12/`, given the name of the first file.

    This is the first part of the name, with a slash. It is "" if the name has only one part, or if the first part is a
    folder of the kernel's tree, such as `kernel/`.
    """
    folder, slash, _ = name.partition("/")
    return folder + slash if slash and folder not in _KERNEL_FOLDERS else ""


def _compile(option: str, patterns: Sequence[str]) -> pathspec.GitIgnoreSpec:
    try:
        return pathspec.GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise ExperimentError(
            f"linux-source: {option}: {error}", hint='Write patterns as in .gitignore, such as "kernel/**".'
        ) from error

"""A tag of a git repository as a source, which the program `git` reads without a checkout."""

import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from seqforge.errors import DataError, nearest
from seqforge_linux_source.source import DEFAULT_READING, LARGEST_FILE, Reading, Selection, normalize_name

_REGULAR_FILES = (b"100644", b"100755")

_LARGEST_LISTING = 1 << 26
"""Size limit of the list of files at a tag in bytes. That of Linux 6.12 has 8 million bytes. A repository of a few
kilobytes can have more than any memory holds, since a tree may contain the same tree many times."""


@dataclass(frozen=True, slots=True)
class GitTag:
    """The tree of a tag in the order of the names. The repository may be bare. Symbolic links are skipped.

    Attributes:
        repository: Folder of the repository.
        tag: Name of the tag.
    """

    repository: Path
    tag: str

    def files(self, selection: Selection, reading: Reading = DEFAULT_READING) -> Generator[tuple[str, bytes]]:
        """Yield the selected files; see `Source.files`."""
        size = 0
        selected = sorted(self._selected(selection))
        with tempfile.TemporaryFile() as requests:
            # The requests are in a file, since git and this process could block each other on two pipes.
            requests.writelines(identifier + b"\n" for _, identifier in selected)
            requests.seek(0)
            with self._start("cat-file", "--batch", "--buffer", stdin=requests, stderr=subprocess.DEVNULL) as process:
                objects = cast("IO[bytes]", process.stdout)
                for name, _ in selected:
                    content = self._read(name, objects)
                    size += len(content)
                    reading.check_size(size, self.repository)
                    yield name, content

    def fingerprint(self, selection: Selection) -> str:
        """Return the identifier of the tree of the tag, which is a hash of its content."""
        return f"git {self._tree()}"

    def describe(self) -> str:
        """Return the repository and the tag."""
        return f"Linux source from the git repository {self.repository} at the tag {self.tag}."

    def _tree(self) -> str:
        self._refuse_pipes()
        # Because of "refs/tags/", git does not parse a tag that starts with a hyphen as an option.
        run = self._git("rev-parse", "--verify", "--quiet", f"refs/tags/{self.tag}^{{tree}}")
        if run.returncode == 0:
            return run.stdout.decode().strip()
        listing = self._git("tag", "--list")
        if listing.returncode != 0:
            raise DataError(
                f"{self.repository} cannot be read as a git repository: {_first_line(listing.stderr)}",
                hint="Set `source` to a git repository, which may be bare, or remove `tag`.",
            )
        tags = listing.stdout.decode(errors="replace").split()
        if self.tag in tags:
            raise self._unreadable_error(b"its commit or its tree is missing or damaged")
        close = nearest(self.tag, tags)
        raise DataError(
            f"{self.repository} has no tag {self.tag!r}",
            hint=f"Did you mean {close!r}?" if close else f"Run `git tag` to list its {len(tags)} tags.",
        )

    def _refuse_pipes(self) -> None:
        """Raise a DataError if the repository contains a pipe or a device, since git would wait for it without end."""
        bare = self.repository if (self.repository / "objects").is_dir() else None
        inside = self.repository / ".git" if (self.repository / ".git").is_dir() else bare
        for folder, _, names in os.walk(inside or ""):
            for name in names:
                path = Path(folder, name)
                if path.exists() and not path.is_file():
                    raise DataError(
                        f"{path}: it is neither a file nor a folder, so git cannot read it",
                        hint="Clone the repository again, or delete it there.",
                    )

    def _selected(self, selection: Selection) -> Iterator[tuple[str, bytes]]:
        for line in self._list_files(self._tree()).split(b"\0")[:-1]:
            mode_type_identifier, _, raw_name = line.partition(b"\t")
            mode, _, identifier = mode_type_identifier.split(b" ")
            name = normalize_name(raw_name)
            if mode in _REGULAR_FILES and name is not None and selection.accepts(name):
                yield name, identifier

    def _list_files(self, tree: str) -> bytes:
        with (
            tempfile.TemporaryFile() as errors,
            self._start("ls-tree", "-r", "-z", "--full-tree", tree, stdin=subprocess.DEVNULL, stderr=errors) as process,
        ):
            listing = cast("IO[bytes]", process.stdout).read(_LARGEST_LISTING + 1)
            if len(listing) > _LARGEST_LISTING:
                process.kill()
                raise DataError(
                    f"{self.repository}: the list of files at the tag {self.tag} has more than "
                    f"{_LARGEST_LISTING:,} bytes, the limit",
                    hint="Choose a repository of Linux.",
                )
            if process.wait() != 0:
                errors.seek(0)
                raise self._unreadable_error(errors.read())
        return listing

    def _read(self, name: str, objects: IO[bytes]) -> bytes:
        """Read one object from `git cat-file --batch`: a line `identifier type size`, the content, and a line break."""
        header = objects.readline().split()
        if len(header) != 3:
            raise self._unreadable_error(b"an object is missing" if header else b"git stopped early")
        size = int(header[2])
        if size > LARGEST_FILE:
            raise DataError(
                f"{self.repository}: {name!r} has {size:,} bytes; the limit is {LARGEST_FILE:,}",
                hint="Exclude it with `exclude`.",
            )
        content = objects.read(size + 1)
        if len(content) != size + 1:
            raise self._unreadable_error(b"git stopped early")
        return content[:-1]

    def _command(self, *arguments: str) -> list[str]:
        return ["git", "-C", os.fspath(self.repository), *arguments]

    def _environment(self) -> dict[str, str]:
        """Return environment variables that restrict git to the objects in this repository, without network access."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return inherited | {
            # A version of git before 2.45 does not know GIT_NO_LAZY_FETCH. It would fetch missing objects of a partial
            # clone, by a command that the configuration of the repository may contain.
            "GIT_ALLOW_PROTOCOL": "",
            "GIT_CEILING_DIRECTORIES": os.fspath(self.repository.resolve().parent),
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }

    def _start(self, *arguments: str, stdin: IO[bytes] | int, stderr: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Start git, whose output is read from a pipe."""
        return subprocess.Popen(  # noqa: S603 - no shell, and no argument that git could read as an option
            self._command(*arguments), env=self._environment(), stdin=stdin, stdout=subprocess.PIPE, stderr=stderr
        )

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(  # noqa: S603 - as above
                self._command(*arguments), env=self._environment(), stdin=subprocess.DEVNULL, capture_output=True
            )
        except FileNotFoundError as error:
            raise DataError(
                "`tag` needs the program `git`, which is not installed",
                hint="Install git (`apt-get install git`), or remove `tag` and set `source` to an archive or a tree.",
            ) from error

    def _unreadable_error(self, error_output: bytes) -> DataError:
        return DataError(
            f"{self.repository}: git cannot read the tag {self.tag}: {_first_line(error_output)}",
            hint="Check the repository with `git fsck`. If it was cloned with --filter, clone it without that option.",
        )


def _first_line(error_output: bytes) -> str:
    lines = error_output.decode(errors="replace").strip().splitlines()
    return lines[0] if lines else "git printed no error message"

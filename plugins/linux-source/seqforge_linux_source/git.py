"""A tag of a git repository as a source. The program `git` reads it without a checkout."""

import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from seqforge.errors import DataError, nearest
from seqforge_linux_source.source import LARGEST_FILE, Selection, plain_name

_REGULAR_FILES = (b"100644", b"100755")


@dataclass(frozen=True, slots=True)
class GitTag:
    """The tree of a tag in the order of the names. The repository may be bare. Symbolic links are skipped.

    Attributes:
        repository: Folder of the repository.
        tag: Name of the tag.
    """

    repository: Path
    tag: str

    def files(self, selection: Selection) -> Generator[tuple[str, bytes]]:
        """Yield the selected files; see `Source.files`."""
        selected = sorted(self._selected(selection))
        with tempfile.TemporaryFile() as requests:
            # Requests are in a file instead of a pipe, so that git and this process cannot wait for each other.
            requests.writelines(identifier + b"\n" for _, identifier in selected)
            requests.seek(0)
            with subprocess.Popen(  # noqa: S603 - no shell, and no argument that git could read as an option
                self._command("cat-file", "--batch", "--buffer"),
                env=self._environment(),
                stdin=requests,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as process:
                answers = cast("IO[bytes]", process.stdout)
                for name, _ in selected:
                    yield name, self._read(name, answers)

    def fingerprint(self, selection: Selection) -> str:
        """Return the identifier of the tag's tree, which is a hash of its content."""
        return f"git {self._tree()}"

    def describe(self) -> str:
        """Return the repository and the tag."""
        return f"Linux source from the git repository {self.repository} at the tag {self.tag}."

    def _tree(self) -> str:
        # With "refs/tags/", a tag that starts with a hyphen is not an option.
        run = self._git("rev-parse", "--verify", "--quiet", f"refs/tags/{self.tag}^{{tree}}")
        if run.returncode == 0:
            return run.stdout.decode().strip()
        listing = self._git("tag", "--list")
        if listing.returncode != 0:
            raise DataError(
                f"{self.repository} cannot be read as a git repository: {_reason(listing.stderr)}",
                hint="With `tag`, set `source` to a git repository; it may be bare.",
            )
        tags = listing.stdout.decode(errors="replace").split()
        close = nearest(self.tag, tags)
        raise DataError(
            f"{self.repository} has no tag {self.tag!r}",
            hint=f"Did you mean {close!r}?" if close else f"Run `git tag` to list its {len(tags)} tags.",
        )

    def _selected(self, selection: Selection) -> Iterator[tuple[str, bytes]]:
        listing = self._git("ls-tree", "-r", "-z", "--full-tree", self._tree())
        if listing.returncode != 0:
            raise self._failed(listing.stderr)
        for line in listing.stdout.split(b"\0")[:-1]:
            mode_type_identifier, _, raw_name = line.partition(b"\t")
            mode, _, identifier = mode_type_identifier.split(b" ")
            name = plain_name(raw_name)
            if mode in _REGULAR_FILES and name is not None and selection.accepts(name):
                yield name, identifier

    def _read(self, name: str, answers: IO[bytes]) -> bytes:
        """Read one object of `git cat-file --batch`: `identifier type size`, the content, and a line end."""
        header = answers.readline().split()
        if len(header) != 3:
            raise self._failed(b"an object is missing" if header else b"git stopped early")
        size = int(header[2])
        if size > LARGEST_FILE:
            raise DataError(
                f"{self.repository}: {name!r} has {size:,} bytes; the limit is {LARGEST_FILE:,}",
                hint="Exclude it with `exclude`.",
            )
        content = answers.read(size + 1)
        if len(content) != size + 1:
            raise self._failed(b"git stopped early")
        return content[:-1]

    def _command(self, *arguments: str) -> list[str]:
        return ["git", "-C", os.fspath(self.repository), *arguments]

    def _environment(self) -> dict[str, str]:
        """Return variables that restrict git to this repository and its own objects, without network access."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return inherited | {
            "GIT_CEILING_DIRECTORIES": os.fspath(self.repository.resolve().parent),
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(  # noqa: S603 - as above
                self._command(*arguments), env=self._environment(), stdin=subprocess.DEVNULL, capture_output=True
            )
        except FileNotFoundError as error:
            raise DataError(
                "`tag` needs the program `git`, which is not installed",
                hint="Install it (`apt-get install git`), or set `source` to an archive or a tree.",
            ) from error

    def _failed(self, complaint: bytes) -> DataError:
        return DataError(
            f"{self.repository} at {self.tag}: git cannot read it: {_reason(complaint)}",
            hint="Check it with `git fsck`. A clone made with --filter lacks objects: clone it without.",
        )


def _reason(complaint: bytes) -> str:
    lines = complaint.decode(errors="replace").strip().splitlines()
    return lines[0] if lines else "git gave no reason"

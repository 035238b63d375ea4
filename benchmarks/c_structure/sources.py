"""The source files of the benchmark: archives of Debian with pinned checksums."""

import hashlib
import shutil
import subprocess
import tarfile
import tomllib
import urllib.request
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from seqforge.data.splits import hash_to_unit_interval

_TABLE = Path(__file__).with_name("sources.toml")


class Project(NamedTuple):
    """A project.

    Attributes:
        name: Its name and version.
        style: How its code looks.
        file: Name of its archive on a mirror of Debian.
        sha256: Checksum of the archive.
        share: Share of its files that are read, chosen by a hash of their names.
    """

    name: str
    style: str
    file: str
    sha256: str
    share: float = 1.0


class Source(NamedTuple):
    """A file of a project.

    Attributes:
        name: Its path in the archive.
        text: Its text.
    """

    name: str
    text: str


def read_projects() -> list[Project]:
    """Return the projects of the benchmark."""
    return [Project(**entry) for entry in tomllib.loads(_TABLE.read_text())["projects"]]


def download(project: Project, folder: Path) -> Path:
    """Return the archive of a project in a folder, and download it if it is missing.

    Raises:
        SystemExit: If the archive is not the pinned one.
    """
    mirror = tomllib.loads(_TABLE.read_text())["mirror"]
    archive = folder / Path(project.file).name
    if not archive.exists():
        print(f"downloading {archive.name}", flush=True)
        with urllib.request.urlopen(mirror + quote(project.file)) as response, archive.open("wb") as file:
            shutil.copyfileobj(response, file)
    with archive.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != project.sha256:
            raise SystemExit(f"{archive}: not the pinned archive; delete it, or get it from snapshot.debian.org")
    return archive


def read_sources(project: Project, folder: Path) -> list[Source]:
    """Return the files `*.c` of a project, and of Linux those that its lexicon leaves out, by a hash of their names."""
    archive = download(project, folder)
    if archive.suffix == ".deb":
        unpacked = folder / archive.stem
        if not unpacked.exists():
            subprocess.run(["dpkg-deb", "-x", archive, unpacked], check=True)
        archive = next(unpacked.rglob("*.tar.xz"))
    with tarfile.open(archive) as opened:
        found = [
            Source(name, file.read().decode("utf-8", "replace"))
            for member in opened
            if member.isfile()
            and (name := member.name.partition("/")[2]).endswith(".c")
            and hash_to_unit_interval(name) < project.share
            and (file := opened.extractfile(member))
        ]
    return sorted(found, key=lambda source: hash_to_unit_interval(source.name))

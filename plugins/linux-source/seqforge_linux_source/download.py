"""A release of Linux fetched from kernel.org, or a mirror of it, as a source."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import filelock
import pooch  # pyright: ignore[reportMissingTypeStubs]
import requests

from seqforge.errors import DataError, ExperimentError
from seqforge.files import cache_folder
from seqforge_linux_source.archive import Archive
from seqforge_linux_source.resume import InterruptedDownloadError, download_on
from seqforge_linux_source.selection import Selection

LINUX_MIRROR = "https://cdn.kernel.org/pub/linux/kernel"
_KNOWN_SHA256 = {"6.12": "b1a2562be56e42afb3f8489d4c2a7ac472ac23098f1ef1c1e40da601f54625eb"}
"""From kernel.org's `v6.x/sha256sums.asc`."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release, which is fetched once and kept in the user's cache directory.

    Attributes:
        url: Where it is fetched from.
        sha256: What it must hash to, in hexadecimal.
    """

    url: str
    sha256: str

    @classmethod
    def choose(cls, release: str, sha256: str | None, mirror: str) -> "Release":
        """Make it from an experiment's options.

        Args:
            release: Its number, such as `6.12`.
            sha256: Its hash, where it is not known here.
            mirror: The folder that holds `v6.x/`.

        Raises:
            ExperimentError: Where the hash is not known.
        """
        folder = f"{mirror.rstrip('/')}/v{release.partition('.')[0]}.x"
        sha256 = sha256 or _KNOWN_SHA256.get(release)
        if sha256 is None:
            raise ExperimentError(
                f"linux-source: the hash of release {release!r} is not known, and nothing is fetched unchecked",
                hint=f"Give `sha256` as {folder}/sha256sums.asc has it for linux-{release}.tar.xz.",
            )
        return cls(f"{folder}/linux-{release}.tar.xz", sha256)

    def files(self, selection: Selection) -> Generator[tuple[str, bytes]]:
        """Fetch the release where that was never done, and read its selected files; see `Source.files`."""
        yield from Archive(self._fetch()).files(selection)

    def fingerprint(self, selection: Selection) -> str:
        """Give the hash, which needs no fetching; see `Source.fingerprint`."""
        return f"sha256 {self.sha256}"

    def describe(self) -> str:
        """Name the address, and where the file is or will be."""
        if self._path.is_file():
            return f"Linux source from {self._path}, fetched earlier from {self.url}."
        return f"Linux source from {self.url}, fetched now and kept as {self._path}."

    @property
    def _path(self) -> Path:
        return cache_folder() / "linux-source" / self.url.rpartition("/")[2]

    def _fetch(self) -> Path:
        """Fetch the release, or find it fetched.

        Raises:
            DataError: Where that fails, or what came is not what was asked for.
        """
        path = self._path
        # pooch's account of what it does is for programmers; the progress bar is for users.
        pooch.get_logger().setLevel("WARNING")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(f"{path}.lock"):
                pooch.retrieve(
                    self.url,
                    f"sha256:{self.sha256}",
                    fname=path.name,
                    path=path.parent,
                    downloader=cast("Any", download_on),
                )
        except InterruptedDownloadError as error:
            raise DataError(f"fetching {self.url}: {error}", hint="Run again to go on from there.") from error
        except requests.RequestException as error:
            raise DataError(
                f"{self.url} cannot be fetched: {error}",
                hint="Is there a network? `source` takes an archive that you fetched by other means.",
            ) from error
        except ValueError as error:
            raise DataError(
                f"what {self.url} sent is not the file with the SHA-256 {self.sha256}; it was deleted",
                hint="Run again to fetch it anew. If it fails again, compare `sha256` and `mirror` with kernel.org.",
            ) from error
        except OSError as error:
            raise DataError(
                f"{path} cannot be written: {error.strerror or error}",
                hint="SEQFORGE_CACHE names another folder to keep it in.",
            ) from error
        return path

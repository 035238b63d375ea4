"""A release of Linux as a source, downloaded from kernel.org or a mirror.

Interrupted downloads are resumed with range requests (RFC 9110, section 14).
"""

import hashlib
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import requests

from seqforge.errors import DataError, ExperimentError
from seqforge.events import Report, WorkProgressed
from seqforge.storage.cache import lock_entry, open_cache_folder
from seqforge.storage.paths import cache_folder
from seqforge_linux_source.archive import Archive
from seqforge_linux_source.source import DEFAULT_READING, Reading, Selection

LINUX_MIRROR = "https://cdn.kernel.org/pub/linux/kernel"
_KNOWN_SHA256 = {"6.12": "b1a2562be56e42afb3f8489d4c2a7ac472ac23098f1ef1c1e40da601f54625eb"}
"""Hashes of releases, from `v6.x/sha256sums.asc` of kernel.org."""

_TIMEOUT = (10, 60)
"""Time limits of a request in seconds: for the connection, and between two pieces of the response."""

_PIECE_SIZE = 1 << 16
"""Size of a received piece in bytes. An interruption loses at most one piece."""

_LARGEST_DOWNLOAD = 1 << 30
"""Size limit of a download in bytes. A release of Linux has about 150 MB."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release, which is downloaded once and kept in the cache folder.

    Attributes:
        url: URL of the archive.
        sha256: Expected SHA-256 of the archive in hexadecimal.
    """

    url: str
    sha256: str

    @classmethod
    def choose(cls, release: str, sha256: str | None, mirror: str) -> "Release":
        """Return the release that the options of the corpus select. `mirror` is the URL of the folder with `v6.x/`.

        Raises:
            ExperimentError: If `sha256` is None and this module does not know the hash.
        """
        folder = f"{mirror.rstrip('/')}/v{release.partition('.')[0]}.x"
        sha256 = sha256 or _KNOWN_SHA256.get(release)
        if sha256 is None:
            raise ExperimentError(
                f"linux-source: sha256: missing. Release {release!r} has no known hash, so it cannot be verified.",
                hint=f"Set `sha256` to the hash of linux-{release}.tar.xz in {folder}/sha256sums.asc.",
            )
        return cls(f"{folder}/linux-{release}.tar.xz", sha256)

    def files(self, selection: Selection, reading: Reading = DEFAULT_READING) -> Generator[tuple[str, bytes]]:
        """Download the release unless the cache has it, and yield its selected files; see `Source.files`."""
        yield from Archive(self._fetch(reading.report)).files(selection, reading)

    def fingerprint(self, selection: Selection) -> str:
        """Return the hash, without a download."""
        return f"sha256 {self.sha256}"

    def describe(self) -> str:
        """Return the URL and the path of the file."""
        if self._path.is_file():
            return f"Linux source from {self._path}, downloaded earlier from {self.url}."
        return f"Linux source from {self.url}, downloaded now to {self._path}."

    @property
    def _path(self) -> Path:
        return cache_folder() / "linux-source" / self.url.rpartition("/")[2]

    def _fetch(self, report: Report) -> Path:
        """Return the path of the archive. Download and verify it first if it is not in the cache."""
        path = self._path
        part = path.with_name(f"{path.name}.part")
        try:
            open_cache_folder(path.parent.name)
            with lock_entry(path):
                if not self._is_release(path):
                    if not self._is_release(part):
                        _download(self.url, part, report)
                    if not self._is_release(part):
                        part.unlink()
                        raise DataError(
                            f"the file from {self.url} does not have the SHA-256 {self.sha256} and was deleted",
                            hint="Run the same command again. If it fails again, compare `sha256` and `mirror` with "
                            "kernel.org.",
                        )
                    part.replace(path)
        except requests.RequestException as error:
            raise DataError(
                f"{self.url} cannot be downloaded: {error}",
                hint="Check the network connection, or download the archive yourself and set `source` to its path.",
            ) from error
        except OSError as error:
            raise DataError(
                f"{path} cannot be written: {error.strerror or error}",
                hint="Set SEQFORGE_CACHE to a writable folder.",
            ) from error
        return path

    def _is_release(self, path: Path) -> bool:
        """Return whether a file exists and has the hash of the release."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


def _download(url: str, part: Path, report: Report) -> None:
    """Download a file to `part`, or resume an interrupted download. The caller must hold a lock."""
    done = part.stat().st_size if part.exists() else 0
    response = _request(url, done)
    if response.status_code == requests.codes.requested_range_not_satisfiable:
        # The partial file is as long as the release or longer, so it belongs to another file.
        response.close()
        response = _request(url, 0)
    with response:
        response.raise_for_status()
        continues = response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
        start = done if response.status_code == requests.codes.partial and continues else 0
        _receive(response, part, start, report)


def _request(url: str, start: int) -> requests.Response:
    # Without "identity" a server may compress the response, and the range would count compressed bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    return requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT)


def _receive(response: requests.Response, part: Path, done: int, report: Report) -> None:
    length = response.headers.get("Content-Length", "")
    total = done + int(length) if re.fullmatch(r"\d{1,15}", length) else None
    with part.open("ab" if done else "wb") as file:
        try:
            for piece in response.iter_content(_PIECE_SIZE):
                done += len(piece)
                if done > _LARGEST_DOWNLOAD:
                    part.unlink()
                    raise requests.RequestException(f"the response is larger than {_LARGEST_DOWNLOAD:,} bytes")
                file.write(piece)
                report(WorkProgressed(f"downloading {part.stem}", min(done / total, 1.0) if total else None))
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise _interruption(response.url, f"the connection was lost after {done:,} bytes") from error
    if total is not None and done < total:
        raise _interruption(response.url, f"the response ended after {done:,} of {total:,} bytes")


def _interruption(url: str, reason: str) -> DataError:
    """Return the error for a download that stopped early. The received part remains in the cache."""
    return DataError(f"downloading {url}: {reason}", hint="Run the same command again to resume the download.")

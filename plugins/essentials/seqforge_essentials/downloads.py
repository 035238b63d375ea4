"""Files at URLs, which the library fsspec copies into the cache, where they are read as other files."""

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from seqforge.errors import DataError, SeqforgeError, import_library, warn
from seqforge.storage.cache import load_or_write, open_cache_folder, read_entry
from seqforge.storage.paths import cache_folder
from seqforge.storage.records import DamagedFileError, Record
from seqforge_essentials.archives import MOST_BYTES


@dataclass(frozen=True)
class Download:
    """A file in the cache, which stays there as long as this object exists."""

    name: str
    path: Path


class Listing(Record):
    """The places of the files at a URL, and the entry of each in the cache, when the server was reached last."""

    VERSION = 1

    entries: dict[str, str]


def download(url: str) -> list[Download]:
    """Return the copy of the file at a URL, or of each file that a URL with `*` matches.

    A file is copied again if the server states another size, time or checksum. If the server cannot be reached, the
    last copies are returned.

    Raises:
        DataError: If no file matches, or one cannot be read to its end, or states no size and has more than 4 GiB.
        PluginError: If the library is not installed.
    """
    library = import_library("fsspec", "seqforge-essentials[fsspec]")
    try:
        system, place = library.url_to_fs(url)
        places = sorted(system.glob(place)) if "*" in place else [place]
        files = {place: info for place in places if (info := system.info(place))["type"] == "file"}
        entries = {place: _digest(str(system.protocol), place, info) for place, info in files.items()}
        copies = [_load(library, system, place, info, entries[place]) for place, info in files.items()]
    except (SeqforgeError, MemoryError):
        raise
    except Exception as error:  # Each protocol has a library with errors of its own.
        reason = error.__cause__ or error
        if isinstance(reason, OSError) and not isinstance(reason, FileNotFoundError):
            with suppress(DamagedFileError):
                entries = Listing.read(cache_folder() / "listings" / _digest(url)).entries
                copies = [read_entry(_folder(entry), partial(_open, place)) for place, entry in entries.items()]
                warn(f"{url} is read from the cache: {reason}")
                return copies
        raise DataError(
            f"{url}: {type(error).__name__}: {error!s:.300}",
            hint="Check the address and the connection. For https: pip install 'seqforge-essentials[fsspec]'",
        ) from error
    if not files:
        raise DataError(f"corpus.files: no file matches {url}", hint="Of a folder, `/*` at the end selects the files.")
    with suppress(OSError):  # The cache may be read-only.
        Listing(entries=entries).write(open_cache_folder("listings") / _digest(url))
    return copies


def _load(library: Any, system: Any, place: str, info: Mapping[str, Any], entry: str) -> Download:
    limit = MOST_BYTES if info["size"] is None else info["size"]

    def check(size: int | None, value: int, **_: Any) -> None:
        if value > limit:
            raise DataError(f"{place}: the file has more than {limit:,} bytes", hint="Download it, and name the copy.")

    def write(folder: Path) -> str:
        warn(f"copying {place} into the cache")
        copy = _open(place, folder).path
        system.get_file(place, str(copy), callback=library.Callback(hooks={"limit": check}))
        if info["size"] not in (None, copied := copy.stat().st_size):
            raise DataError(f"{place}: {copied:,} of {limit:,} bytes were received", hint="Start again.")
        return place

    return load_or_write(_folder(entry), partial(_open, place), write)


def _open(place: str, folder: Path) -> Download:
    """Return the copy of a file, whose name is that of its place on the server."""
    name = place.partition("://")[2] or place.lstrip("/")
    return Download(name, folder / (re.sub(r"[^\w.-]", "_", name.rpartition("/")[2])[-100:].lstrip(".-") or "file"))


def _folder(entry: str) -> Path:
    return cache_folder() / "downloads" / entry


def _digest(*key: Any) -> str:
    return hashlib.blake2b(json.dumps(key, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()

"""Files at URLs, which the library fsspec copies into the cache, where they are read as other files."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqforge.errors import DataError, SeqforgeError, import_library, warn
from seqforge.storage.cache import load_or_write
from seqforge.storage.paths import cache_folder
from seqforge_essentials.archives import MOST_BYTES


@dataclass(frozen=True)
class Download:
    """A file in the cache, which stays there as long as this object exists."""

    name: str
    path: Path


def download(url: str) -> Iterator[Download]:
    """Yield the copy of the file at a URL, or of each file that a URL with `*` matches.

    A file is copied again if the server states another size, time or checksum.

    Raises:
        DataError: If no file matches, or one cannot be read to its end, or states no size and has more than 4 GiB.
        PluginError: If the library is not installed.
    """
    library = import_library("fsspec", "seqforge-essentials[fsspec]")
    try:
        system, place = library.url_to_fs(url)
        places = sorted(system.glob(place)) if "*" in place else [place]
        files = {place: info for place in places if (info := system.info(place))["type"] == "file"}
        for place, info in files.items():
            yield _load(library, system, place, info)
    except (SeqforgeError, MemoryError):
        raise
    except Exception as error:  # Each protocol has a library with errors of its own.
        raise DataError(
            f"{url}: {type(error).__name__}: {error!s:.300}",
            hint="Check the address and the connection. For https: pip install 'seqforge-essentials[fsspec]'",
        ) from error
    if not files:
        raise DataError(f"corpus.files: no file matches {url}", hint="Of a folder, `/*` at the end selects the files.")


def _load(library: Any, system: Any, place: str, info: Mapping[str, Any]) -> Download:
    """Return the copy of a file, whose name is that of its place on the server."""
    limit = MOST_BYTES if info["size"] is None else info["size"]
    name = place.partition("://")[2] or place.lstrip("/")
    file = re.sub(r"[^\w.-]", "_", name.rpartition("/")[2])[-100:].lstrip(".-") or "file"

    def check(size: int | None, value: int, **_: Any) -> None:
        if value > limit:
            raise DataError(f"{place}: the file has more than {limit:,} bytes", hint="Download it, and name the copy.")

    def write(folder: Path) -> str:
        warn(f"copying {place} into the cache")
        system.get_file(place, str(folder / file), callback=library.Callback(hooks={"limit": check}))
        if info["size"] not in (None, copied := (folder / file).stat().st_size):
            raise DataError(f"{place}: {copied:,} of {limit:,} bytes were received", hint="Start again.")
        return place

    key = json.dumps([str(system.protocol), place, info], sort_keys=True, default=str)
    entry = cache_folder() / "downloads" / hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    return load_or_write(entry, lambda folder: Download(name, folder / file), write)

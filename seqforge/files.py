"""Files and folders: bounded reads, atomic writes, and the cache folder."""

import contextlib
import errno
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import platformdirs
import xxhash

from seqforge.errors import RunError

CACHE_VARIABLE = "SEQFORGE_CACHE"
"""Environment variable that sets the cache folder."""

MAXIMUM_SIZE = 16 * 1024 * 1024
"""Largest size in bytes of a file that is read whole."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file in an existing folder: write it under a temporary name, sync it to disk, and rename it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Sync a folder to disk, so that renames inside it are durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def reported_failures(action: str, hint: str = "") -> Generator[None]:
    """Convert an OSError inside the block, such as that of a full disk, to an error that a user can act on.

    Args:
        action: What the block does, such as "writing the checkpoint runs/a/checkpoints/step-100".
        hint: What the failure means for the run, and what the user should do.

    Raises:
        RunError: If the block raises an OSError.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else error.strerror or str(error)
        hints = ["Free some space." if full else "", hint]
        raise RunError(f"{action}: {reason}", hint=" ".join(filter(None, hints)) or None) from error


def read_bounded(path: Path, maximum_size: int = MAXIMUM_SIZE) -> bytes:
    """Return the content of a file of at most `maximum_size` bytes.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is larger than the limit.
    """
    with path.open("rb") as file:
        content = file.read(maximum_size + 1)
    if len(content) > maximum_size:
        raise ValueError(f"it is larger than {maximum_size:,} bytes")
    return content


def checksum_file(path: Path) -> str:
    """Return the XXH3 checksum of a file, as 32 hexadecimal digits.

    It detects damage, at several gigabytes per second. It does not protect against an attacker who can also change the
    recorded checksum.

    Raises:
        OSError: If the file cannot be read.
    """
    checksum = xxhash.xxh3_128()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            checksum.update(piece)
    return checksum.hexdigest()


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is too large, not UTF-8, not JSON, or nested too deeply.
    """
    content = read_bounded(path).decode()
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def cache_folder() -> Path:
    """Return the cache folder: that in the environment variable `SEQFORGE_CACHE`, or the user's cache directory.

    Raises:
        RunError: If `SEQFORGE_CACHE` refers to the home directory of an unknown user.
    """
    folder = os.environ.get(CACHE_VARIABLE)
    if not folder:
        return platformdirs.user_cache_path("seqforge", appauthor=False)
    try:
        return expand_home(folder)
    except ValueError as error:
        raise RunError(f"{CACHE_VARIABLE}: {error}") from error


def expand_home(path: str | Path) -> Path:
    """Replace a leading `~` or `~name` by the home directory.

    Raises:
        ValueError: If there is no such user or home directory.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: there is no user of that name, or no home directory") from error

"""Files and folders: bounded reads, atomic writes, and the cache folder."""

import contextlib
import errno
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import platformdirs

from seqforge.errors import RunError

CACHE_VARIABLE = "SEQFORGE_CACHE"
"""Names the environment variable that sets the cache folder."""

MAXIMUM_SIZE = 16 * 1024 * 1024
"""Largest size in bytes of a file that is read whole."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, sync it, and rename it into place.

    Args:
        path: Where it goes; its folder exists.
        content: What it holds.
    """
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
    """Make renames inside a folder durable.

    Args:
        folder: The folder.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def reported_failures(doing: str, consequence: str = "") -> Generator[None]:
    """Turn a failure to write into an error that a user can act on.

    Args:
        doing: What was being done, such as "writing the checkpoint runs/a/checkpoints/step-100".
        consequence: What has become of the run, and what to do.

    Raises:
        RunError: On a full disk, a missing permission, and every other OSError inside the block.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else error.strerror or str(error)
        hint = " ".join(part for part in ("Free some space." if full else "", consequence) if part)
        raise RunError(f"{doing}: {reason}", hint=hint or None) from error


def read_bounded(path: Path, maximum_size: int = MAXIMUM_SIZE) -> bytes:
    """Read a file whole.

    Args:
        path: The file.
        maximum_size: Bytes that it may have.

    Raises:
        OSError: Where it cannot be read.
        ValueError: Where it is too large.
    """
    with path.open("rb") as file:
        content = file.read(maximum_size + 1)
    if len(content) > maximum_size:
        raise ValueError(f"it is larger than {maximum_size:,} bytes")
    return content


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Args:
        path: The file.

    Raises:
        OSError: Where it cannot be read.
        ValueError: Where it is too large, not UTF-8, no JSON, or nests too deep.
    """
    content = read_bounded(path).decode()
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("nested too deep") from None


def cache_folder() -> Path:
    """Give the folder of what can be made anew: `SEQFORGE_CACHE`, or the user's cache directory.

    Raises:
        RunError: Where `SEQFORGE_CACHE` begins with the home directory of nobody.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if not chosen:
        return platformdirs.user_cache_path("seqforge", appauthor=False)
    try:
        return expand_home(chosen)
    except ValueError as error:
        raise RunError(f"{CACHE_VARIABLE}: {error}") from error


def expand_home(path: str | Path) -> Path:
    """Put a home directory in the place of a leading `~` or `~name`.

    Args:
        path: Any path.

    Raises:
        ValueError: Where there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: there is no user of that name, or no home directory") from error

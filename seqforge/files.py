"""Writing files so that nothing is lost: a reader sees the old file or the new one, never a part."""

import contextlib
import errno
import os
from collections.abc import Generator
from pathlib import Path

from seqforge.errors import RunError


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

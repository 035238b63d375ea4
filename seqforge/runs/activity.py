"""What a process that trains a run is doing between two steps, for others that follow the run.

The file `.activity` contains the name of this work, such as "evaluating". It exists only during the work, or if the
process was killed then. So it has a meaning only while a process holds the lock of the run.
"""

import contextlib
from collections.abc import Generator
from pathlib import Path

from seqforge.storage.files import open_regular, read_bounded

ACTIVITY = ".activity"

LONGEST = 100
"""Largest size of the file that is read, in bytes."""


@contextlib.contextmanager
def recorded_activity(folder: Path, work: str) -> Generator[None]:
    """Record what this process does inside the block. If the file cannot be written, training goes on.

    Args:
        folder: Run directory.
        work: Name of the work.
    """
    path = folder / ACTIVITY
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        # The file is not synced to disk, since it matters only to processes of this machine.
        with open_regular(path, "xb") as file:
            file.write(work.encode())
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def read_activity(folder: Path) -> str:
    """Return what the process that trains a run is doing; empty while it takes steps."""
    try:
        return read_bounded(folder / ACTIVITY, LONGEST).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""

"""The setting of glibc that keeps freed memory in the process."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # glibc's malloc.h


def keep_freed_memory() -> None:
    """Make glibc keep freed memory, so that the next training step can reuse it.

    By default, glibc maps large blocks one by one, and returns them to the system immediately. Every training step then
    waits for new blocks, which the system fills with zeros. Raising the size from which blocks are mapped would not be
    enough: glibc limits it to 32 MiB, and the gates of a sequence may be larger. On systems without Linux and glibc,
    this function does nothing.

    The setting holds for the whole process. So only the commands call this function, and `sf.train` does not.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)

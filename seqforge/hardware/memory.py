"""The setting of glibc that keeps freed memory in the process."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h

_LARGEST = 32 << 20
"""Largest threshold in bytes that glibc accepts."""


def keep_freed_memory() -> None:
    """Make glibc keep freed memory, so that the next training step can reuse it.

    By default, glibc returns large blocks to the system immediately. Every training step then waits for new blocks,
    which the system fills with zeros. On systems without Linux and glibc, this function does nothing.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)

"""How memory is given back while a model is trained."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h

_LARGEST = 32 << 20
"""Bytes; the most that glibc takes."""


def keep_freed_memory() -> None:
    """Have glibc keep freed memory for the next step, which asks for the same again.

    By default it returns large pieces to the system at once, and each step waits for the system to hand out new ones,
    filled with zeros. Elsewhere than on Linux with glibc this does nothing.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)

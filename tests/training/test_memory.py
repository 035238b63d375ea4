"""Freed memory is returned to the system by default, and kept for reuse after `keep_freed_memory`."""

import mmap
import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes
import resource
from seqforge.hardware import keep_freed_memory
if {keep}:
    keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
size = 48 << 20
def touch():
    memory = libc.malloc(size)
    ctypes.memset(memory, 1, size)
    libc.free(memory)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the thresholds are glibc's")
def test_freed_memory_is_reused_after_keep_freed_memory():
    """Count page faults of the second allocation, since glibc raises its own threshold only after the first."""

    def faults(*, keep: bool) -> int:
        program = _PROGRAM.format(keep=keep)
        # Without the environment variables of the tests, which may set the thresholds too.
        done = subprocess.run([sys.executable, "-c", program], env={}, capture_output=True, text=True, check=True)
        return int(done.stdout)

    pages = (48 << 20) // mmap.PAGESIZE
    assert faults(keep=False) > pages // 2
    assert faults(keep=True) < pages // 10

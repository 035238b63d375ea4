"""The machine: what it is, and settings that are the same for every side."""

import importlib.metadata
import os
import platform
from pathlib import Path

INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
"""Those that matter to matrix products, by their names in /proc/cpuinfo."""

_PACKAGES = ("torch", "jax", "keras", "numpy")
_LARGE = str(1 << 30)


def use_cores(count: int) -> None:
    """Keep this process, and those that it starts, to so many cores; JAX's threads follow from that alone.

    Args:
        count: At most as many as there are.
    """
    available = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, available[:count])


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))


def thread_settings(threads: int) -> dict[str, str]:
    """Give the environment that makes numerical libraries use so many threads.

    Args:
        threads: How many.
    """
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))


def malloc_settings() -> dict[str, str]:
    """Give the environment that makes glibc keep freed memory, which gives every method the same 10 to 25%.

    The defaults would have large tensors mapped and unmapped at every step, by a threshold that moves as the process
    goes on, so that a side's speed would depend on its history.
    """
    return {"MALLOC_MMAP_THRESHOLD_": _LARGE, "MALLOC_TRIM_THRESHOLD_": _LARGE}


def processor() -> str:
    """Name the processor and the instruction sets that it has of `INSTRUCTION_SETS`."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    fields = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
    flags = set(fields.get("flags", "").split())
    sets = [name for name in INSTRUCTION_SETS if name in flags]
    return f"{fields.get('model name', platform.machine())} ({', '.join(sets) or 'no instruction set listed'})"


def versions() -> str:
    """List the versions of Python and of the libraries that are measured, as far as they are installed."""
    found = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)

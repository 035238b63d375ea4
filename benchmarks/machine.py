"""The machine, and environment settings that are equal for every side."""

import importlib.metadata
import os
import platform
from pathlib import Path

INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
"""Instruction sets that matter for matrix products, as named in /proc/cpuinfo."""

_PACKAGES = ("torch", "jax", "keras", "numpy")
_LARGE = str(1 << 30)


def use_cores(count: int) -> None:
    """Restrict this process and its children to some cores. The number of JAX threads depends only on this.

    Args:
        count: Number of cores, at most as many as are available.
    """
    available = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, available[:count])


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def thread_settings(threads: int) -> dict[str, str]:
    """Return the environment variables that set the number of threads of numerical libraries.

    Args:
        threads: Number of threads.
    """
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))


def malloc_settings() -> dict[str, str]:
    """Return the environment variables that make glibc keep freed memory, which makes every side 10 to 25% faster.

    By default, large tensors are mapped and unmapped in every step. The threshold for this changes while the process
    runs, so the speed of a side would depend on its history.
    """
    return {"MALLOC_MMAP_THRESHOLD_": _LARGE, "MALLOC_TRIM_THRESHOLD_": _LARGE}


def processor() -> str:
    """Return the name of the processor, with those of `INSTRUCTION_SETS` that it has."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    fields = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
    flags = set(fields.get("flags", "").split())
    sets = [name for name in INSTRUCTION_SETS if name in flags]
    return f"{fields.get('model name', platform.machine())} ({', '.join(sets) or 'no instruction set listed'})"


def versions() -> str:
    """Return the versions of Python and of the installed libraries that are measured."""
    found = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)

"""What the processor can do, as Linux tells it."""

from functools import cache
from pathlib import Path

CPU_INFORMATION = Path("/proc/cpuinfo")


@cache
def instruction_sets(information: Path = CPU_INFORMATION) -> frozenset[str]:
    """List the instruction sets of an x86 processor by Linux's names, such as `avx2` and `avx512_bf16`.

    Args:
        information: Linux's description of the processors.

    Returns:
        The names, or none where the system does not tell them.
    """
    try:
        lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            return frozenset(value.split())
    return frozenset()

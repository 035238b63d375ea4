"""The processor, as Linux describes it."""

import platform
from functools import cache
from pathlib import Path

CPU_INFORMATION = Path("/proc/cpuinfo")


@cache
def instruction_sets(information: Path = CPU_INFORMATION) -> frozenset[str]:
    """Return the instruction sets of an x86 processor by Linux's names, such as `avx2` and `avx512_bf16`.

    Args:
        information: Linux's description of the processors.

    Returns:
        The names, or none if the system does not list them.
    """
    return frozenset(_field("flags", information).split())


@cache
def describe_processor(information: Path = CPU_INFORMATION) -> str:
    """Return the name, family and model of the processor.

    Args:
        information: Linux's description of the processors.
    """
    parts = [_field(key, information) for key in ("model name", "cpu family", "model")]
    return " ".join(part for part in parts if part) or platform.processor() or platform.machine()


def _field(key: str, information: Path) -> str:
    try:
        lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")

"""Settings of the measurements, from the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sizes import Size

BACKENDS = ("eager", "native", "onednn", "inductor", "auto")
"""Backends to measure. Those that cannot run on this machine are skipped. `auto` chooses the fastest of them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the measurements.

    Attributes:
        sizes: Model sizes.
        rounds: Number of rounds to count.
        threads: Number of threads and of cores of every program.
        archive: Archive of the Linux source, or None if there is none.
    """

    sizes: Sequence[Size]
    rounds: int
    threads: int
    archive: Path | None

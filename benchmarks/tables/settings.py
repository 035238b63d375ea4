"""Settings from the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sizes import Size

BACKENDS = ("eager", "native", "onednn", "inductor", "auto")
"""Backends that are measured. Those that cannot run on this machine are skipped. `auto` is the fastest of them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the measurement.

    Attributes:
        sizes: Model sizes.
        rounds: Number of counted rounds.
        threads: Number of threads of every side, and of cores.
        archive: Archive of the Linux source, or None if there is none.
    """

    sizes: Sequence[Size]
    rounds: int
    threads: int
    archive: Path | None

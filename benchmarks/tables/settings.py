"""The settings of the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sizes import Size

BACKENDS = ("eager", "native", "onednn", "inductor", "auto")
"""Backends of seqforge's cells. Those that cannot run here are omitted; `auto` takes the fastest by measurement."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to measure, and how.

    Attributes:
        sizes: Of models.
        rounds: That count.
        threads: Of every side, on as many cores.
        archive: Linux's source, where there is any.
    """

    sizes: Sequence[Size]
    rounds: int
    threads: int
    archive: Path | None

"""What is asked for on the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sizes import Size

CELLS = ("{}", "cudnn/{}", "native/{}")
"""seqforge's cells of one kind, such as "lstm", by component; those that are not installed are left out."""


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

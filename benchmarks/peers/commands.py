"""Commands, measured from their start to their end."""

import os
import subprocess
from collections.abc import Iterator

from benchmarks.worker import Clock


def run(clocks: Iterator[Clock], command: list[str]) -> None:
    """Time a command without its output.

    Args:
        clocks: One clock for each round.
        command: Program and arguments.
    """
    for clock in clocks:
        with clock:
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=os.environ)

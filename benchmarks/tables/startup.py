"""Start-up time of commands and imports."""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import thread_settings
from benchmarks.paired import Side, alternate
from benchmarks.report import Table, megabytes
from benchmarks.tables.settings import Settings

COMMANDS = {
    '`python -c ""`': ["python", "-c", ""],
    '`python -c "import seqforge"`': ["python", "-c", "import seqforge"],
    "`seqforge --help`": ["seqforge", "--help"],
    "`seqforge plugins list`": ["seqforge", "plugins", "list"],
    '`python -c "import torch"`': ["python", "-c", "import torch"],
}


def tables(settings: Settings) -> Iterator[Table]:
    """Measure each command from its start to its end.

    Args:
        settings: Rounds and cores.
    """
    programs = Path(sys.executable).parent
    sides = [
        Side(name, "benchmarks.peers.commands:run", {"command": [str(programs / command[0]), *command[1:]]})
        for name, command in COMMANDS.items()
    ]
    measured = alternate(sides, settings.rounds, thread_settings(settings.threads))
    rows = [[one.side.name, f"{one.median:.3f}", megabytes(one.peak)] for one in measured]
    yield Table("Start-up", ["", "seconds", "peak memory"], rows)

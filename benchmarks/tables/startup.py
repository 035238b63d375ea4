"""Start-up time of commands and imports."""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import thread_settings
from benchmarks.paired import Program, alternate
from benchmarks.report import Table, megabytes
from benchmarks.tables.settings import Settings

SHORT_FILE = Path(__file__).parents[2] / "plugins/code-structure/tests/golden/indentation.c"
COMMANDS = {
    '`python -c ""`': ["python", "-c", ""],
    '`python -c "import seqforge"`': ["python", "-c", "import seqforge"],
    "`seqforge --help`": ["seqforge", "--help"],
    "`seqforge plugins list`": ["seqforge", "plugins", "list"],
    "`seqforge c-structure` with a short file": ["seqforge", "c-structure", str(SHORT_FILE)],
    '`python -c "import torch"`': ["python", "-c", "import torch"],
}
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
"""Setting with which Python stores compiled modules, as by default. Compiling those of seqforge takes 70 ms."""


def tables(settings: Settings) -> Iterator[Table]:
    """Measure each command from its start to its end.

    Args:
        settings: Rounds and threads.
    """
    folder = Path(sys.executable).parent
    programs = [
        Program(name, "benchmarks.peers.commands:run", {"command": [str(folder / command[0]), *command[1:]]})
        for name, command in COMMANDS.items()
    ]
    measurements = alternate(programs, settings.rounds, thread_settings(settings.threads) | COMPILED)
    rows = [[one.program.name, f"{one.median:.3f}", megabytes(one.peak)] for one in measurements]
    yield Table("Start-up", ["", "seconds", "peak memory"], rows)

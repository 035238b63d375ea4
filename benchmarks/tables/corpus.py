"""Preparation of a corpus, from the Linux source to token files, compared with decompression of the archive."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import thread_settings
from benchmarks.paired import Program, alternate
from benchmarks.report import Table, megabytes
from benchmarks.tables.settings import Settings

VOCABULARIES = ("bytes", "characters")
MAXIMUM_ROUNDS = 3
"""Largest number of rounds. A round takes a minute."""


def tables(settings: Settings) -> Iterator[Table]:
    """Measure the preparation of every .c and .h file of an archive. Without an archive, there is no table.

    Args:
        settings: Rounds, threads and the archive. malloc has its default settings, as in a user's run.
    """
    if settings.archive is None:
        print(
            "corpus: skipped, because there is no archive. Use --archive, or set SEQFORGE_LINUX_SOURCE.",
            file=sys.stderr,
        )
        return
    rounds = min(settings.rounds, MAXIMUM_ROUNDS)
    measurements = alternate(_programs(settings.archive), rounds, thread_settings(settings.threads))
    torch = measurements.pop()
    base, training = measurements[0], measurements[-1]
    rows = [
        [one.program.name, f"{one.median:.2f}", f"{one.times_as_long(base):.2f}", megabytes(one.peak)]
        for one in measurements
    ]
    note = (
        f"`{settings.archive.name}`, every .c and .h file, {rounds} rounds. Importing torch takes "
        f"{megabytes(torch.peak)}; preparation with `{VOCABULARIES[-1]}` and training take "
        f"{megabytes(training.peak - torch.peak)} in addition. Preparation ends when all files are synced to disk."
    )
    yield Table("Corpus preparation", ["", "seconds", f"times {base.program.name}", "peak memory"], rows, note)


def find_archive() -> Path | None:
    """Return the archive that `source = "auto"` finds, if it is a .tar.xz."""
    variable = os.environ.get("SEQFORGE_LINUX_SOURCE")
    paths = [Path(variable)] if variable else sorted(Path("/usr/src").glob("linux-source-*.tar.xz"))
    return paths[-1].resolve() if paths and paths[-1].is_file() else None


def _programs(archive: Path) -> list[Program]:
    path = os.fspath(archive)

    def task_program(name: str, task: str, vocabulary: str = VOCABULARIES[0]) -> Program:
        return Program(
            name, "benchmarks.peers.corpus:time_task", {"task": task, "archive": path, "vocabulary": vocabulary}
        )

    return [
        Program("`xz -T1 -dc`", "benchmarks.peers.commands:run", {"command": ["xz", "-T1", "-dc", path]}),
        task_program("read as documents", "read"),
        *(task_program(f"prepared, vocabulary `{name}`", "prepare", name) for name in VOCABULARIES),
        task_program(f"prepared, `{VOCABULARIES[-1]}`, and ten training steps", "train", VOCABULARIES[-1]),
        task_program("import torch", "import torch"),
    ]

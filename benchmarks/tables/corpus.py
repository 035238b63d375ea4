"""Corpus preparation: from the Linux source to token files, compared with decompressing the archive."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import thread_settings
from benchmarks.paired import Side, alternate
from benchmarks.report import Table, megabytes
from benchmarks.tables.settings import Settings

VOCABULARIES = ("bytes", "characters")
MAXIMUM_ROUNDS = 3
"""Limit of the number of rounds, because a round takes a minute."""


def tables(settings: Settings) -> Iterator[Table]:
    """Measure the preparation of every .c and .h of an archive. Without an archive, there is no table.

    Args:
        settings: Rounds, cores and the archive. malloc keeps its defaults, as for users.
    """
    if settings.archive is None:
        print(
            "corpus: skipped, because no archive was found. Use --archive, or set SEQFORGE_LINUX_SOURCE.",
            file=sys.stderr,
        )
        return
    rounds = min(settings.rounds, MAXIMUM_ROUNDS)
    measured = alternate(_sides(settings.archive), rounds, thread_settings(settings.threads))
    torch = measured.pop()
    base, trained = measured[0], measured[-1]
    rows = [
        [one.side.name, f"{one.median:.2f}", f"{one.times_as_long(base):.2f}", megabytes(one.peak)] for one in measured
    ]
    note = (
        f"`{settings.archive.name}`, every .c and .h, {rounds} rounds. Importing torch takes "
        f"{megabytes(torch.peak)}; preparation with `{VOCABULARIES[-1]}` and training take "
        f"{megabytes(trained.peak - torch.peak)} in addition. Preparation ends when all files are synced to the disk."
    )
    yield Table("Corpus preparation", ["", "seconds", f"times {base.side.name}", "peak memory"], rows, note)


def archive_of_this_machine() -> Path | None:
    """Return the archive that `source = "auto"` finds, if it is a .tar.xz."""
    named = os.environ.get("SEQFORGE_LINUX_SOURCE")
    found = [Path(named)] if named else sorted(Path("/usr/src").glob("linux-source-*.tar.xz"))
    return found[-1].resolve() if found and found[-1].is_file() else None


def _sides(archive: Path) -> list[Side]:
    path = os.fspath(archive)

    def side(name: str, task: str, vocabulary: str = VOCABULARIES[0]) -> Side:
        return Side(
            name, "benchmarks.peers.corpus:time_task", {"task": task, "archive": path, "vocabulary": vocabulary}
        )

    return [
        Side("`xz -T1 -dc`", "benchmarks.peers.commands:run", {"command": ["xz", "-T1", "-dc", path]}),
        side("read as documents", "read"),
        *(side(f"prepared, vocabulary `{name}`", "prepare", name) for name in VOCABULARIES),
        side(f"prepared, `{VOCABULARIES[-1]}`, and ten training steps", "train", VOCABULARIES[-1]),
        side("import torch", "import torch"),
    ]

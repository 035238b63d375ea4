"""The campaign of fuzzing: readers of files from outside, on changed files, each in a process of its own.

A reader must return a value or raise an error of seqforge, in bounded time and memory, and must not change a file
outside of its folder.
"""

import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from seqforge.errors import SeqforgeError
from tests.campaigns.processes import CHANGES, WRITING
from tests.campaigns.readers import READERS, Reader
from tests.campaigns.table import print_table

LARGEST_GROWTH = 512 << 20
"""Largest number of bytes of memory that a reader may request."""

LONGEST = 30
"""Largest number of seconds of a reader."""

OUTCOMES = ["read", "refused", "traceback", "hang", "memory", "file outside"]
"""The last four are findings."""

_STATUSES = {0: "read", 10: "refused", 11: "traceback", 12: "memory", 13: "file outside"}


def run_fuzz(folder: Path, name: str, seconds: float, seed: int) -> int:
    """Fuzz a reader for a number of seconds, print the counts, and return the exit status."""
    generator = random.Random(seed)
    reader = READERS[name](folder / "sources")
    counts: Counter[str] = Counter()
    started = time.monotonic()
    for number in range(1, sys.maxsize):
        if time.monotonic() - started > seconds:
            break
        trial = folder / "trial"
        trial.mkdir()
        reader.write(trial, generator)
        outcome, output = attempt(reader, trial, folder / "output.txt")
        counts[outcome] += 1
        if outcome in OUTCOMES[2:]:
            kept = Path(f"finding-{name}-{seed}-{number}").absolute()
            _keep(trial, kept)
            print(f"{outcome}: {kept}\n{output[-4000:]}", flush=True)
        shutil.rmtree(trial)
    print_table(["reader", "trials", *OUTCOMES], [[name, f"{counts.total():,}", *(f"{counts[o]:,}" for o in OUTCOMES)]])
    return int(any(counts[outcome] for outcome in OUTCOMES[2:]))


def _keep(trial: Path, kept: Path) -> None:
    """Copy a trial, with links and without pipes, which cannot be copied."""
    pipes = {path for path in trial.rglob("*") if path.is_fifo()}
    print("pipes:", *pipes)
    shutil.copytree(
        trial, kept, symlinks=True, ignore=lambda folder, names: [n for n in names if Path(folder, n) in pipes]
    )


def attempt(reader: Reader, trial: Path, output: Path) -> tuple[str, str]:
    """Read a trial in a process of its own. Return the outcome, and what the process printed."""
    process = os.fork()
    if process == 0:
        _run_child(reader, trial, output)
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    outcome = "hang" if code in (-signal.SIGALRM, -signal.SIGXCPU) else _STATUSES.get(code, "traceback")
    return outcome, output.read_text(errors="replace")


def _run_child(reader: Reader, trial: Path, output: Path) -> None:
    status = 11
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.chdir(trial)
        tempfile.tempdir = str(trial)
        signal.alarm(LONGEST)
        grown = _virtual_memory() + LARGEST_GROWTH
        resource.setrlimit(resource.RLIMIT_AS, (grown, grown))
        outside = _watch(trial)
        try:
            reader.read(trial)
            status = 0
        except SeqforgeError:
            status = 10
        except MemoryError:
            traceback.print_exc()
            status = 12
        if outside:
            print("changed outside:", outside)
            status = 13
    except BaseException:  # noqa: BLE001 - this is what the campaign looks for
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _virtual_memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _watch(folder: Path) -> list[str]:
    """Return a list to which changes of files outside of a folder are appended."""
    outside: list[str] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if (writes or event in CHANGES) and not isinstance(arguments[0], int):
            path = os.path.realpath(os.fspath(arguments[0]))
            if not path.startswith((f"{folder}/", "/dev/null", "/proc/self/fd/", "/dev/fd/")) and path != str(folder):
                outside.append(path)

    sys.addaudithook(hook)
    return outside

"""The history of a run, `history.jsonl`: one record for each start and each end of training.

A record of a start describes what the metrics log does not contain: the command, the machine, the versions, the corpus
and the size of the model. A run that was resumed has several.
"""

import contextlib
import os
import platform
import re
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from seqforge.errors import RunError
from seqforge.runs.directory import CRASH, LOCK
from seqforge.runs.metrics_log import HISTORY, MetricsLog, read_metrics
from seqforge.storage.files import read_bounded
from seqforge.storage.locks import is_locked

STARTED, ENDED = "started", "ended"

RunState = Literal["running", "finished", "interrupted", "failed"]


def record_start(folder: Path, step: int, values: Mapping[str, Any]) -> None:
    """Record a start of training after a step with the time, the command, the versions, the machine, and other values.

    Raises:
        RunError: If the file cannot be written.
    """
    history = MetricsLog(folder / HISTORY)
    history.truncate()
    history.append(STARTED, step, {"time": _now(), **values, **_describe_process()})
    history.sync()


def record_end(folder: Path, step: int, reason: str, *, complete: bool, seconds: float) -> None:
    """Record an end of training: complete, interrupted or failed.

    If the file cannot be written, nothing is raised, since an error may have ended the training.
    """
    values = {"time": _now(), "reason": reason, "complete": complete, "seconds": seconds}
    history = MetricsLog(folder / HISTORY)
    with contextlib.suppress(RunError):
        history.append(ENDED, step, values)
        history.sync()


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a run's history, in order; empty for a run without one.

    Raises:
        RunError: If the file cannot be read.
    """
    return read_metrics(folder / HISTORY)


def measure_history(folder: Path) -> int:
    """Return the size in bytes of a run's history, which every process that trains the run changes."""
    path = folder / HISTORY
    return path.stat().st_size if path.exists() else 0


def read_state(folder: Path) -> tuple[RunState, str]:
    """Return the state of a run and the reason of its end, from its lock and the last record of its history.

    Raises:
        RunError: If the history cannot be read.
    """
    with contextlib.suppress(OSError):  # There is no lock file.
        if is_locked(folder / LOCK):
            return "running", ""
    history = read_history(folder)
    if not history or history[-1]["event"] != ENDED:
        return "interrupted", _describe_kill(folder)
    reason = str(history[-1].get("reason", ""))
    if history[-1].get("complete") is True:
        return "finished", reason
    return ("interrupted" if reason.startswith("interrupted") else "failed"), reason


def _describe_kill(folder: Path) -> str:
    """Return why the process that trained a run has ended without a record."""
    with contextlib.suppress(OSError):
        if crash := read_bounded(folder / CRASH).decode("utf-8", "replace").partition("\n")[0]:
            name = crash.removeprefix("Fatal Python error: ")
            return f"the process was killed: {name}, probably in compiled code of a plugin; {CRASH} has the place"
    return "the process was killed"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _describe_process() -> dict[str, Any]:
    import torch  # not needed to read a history

    from seqforge.hardware import describe_device, find_accelerator, processor_field

    gpu = find_accelerator()
    return {
        "command": _command(),
        "seqforge": version("seqforge-core"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": f"{processor_field('model name') or platform.machine()}, {os.cpu_count() or 1} cores",
        "threads": torch.get_num_threads(),
        "gpu": describe_device(gpu) if gpu else None,
    }


def _command() -> str:
    """Return the command line of this process, as it can be entered again, without passwords."""
    path = Path(sys.argv[0] if sys.argv else "")
    program = ["python", "-m", path.parent.name] if path.name == "__main__.py" else [path.name or "python"]
    return shlex.join([*program, *map(hide_password, sys.argv[1:])])


def hide_password(text: str) -> str:
    """Replace the password in a URL, such as that of a database, by an ellipsis. Other people read runs and reports."""
    return re.sub(r"(?<=://)([^\s/:@]*):[^\s/@]+@", r"\1:…@", text)

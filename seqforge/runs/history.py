"""The history of a run, `history.jsonl`: one record for each start and each end of training.

A record of a start describes what the metrics log does not contain: the command, the machine, the versions, the corpus
and the size of the model. A run that was resumed has several.
"""

import contextlib
import fcntl
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
from seqforge.runs.metrics_log import MetricsLog, read_metrics
from seqforge.storage.files import open_regular

HISTORY = "history.jsonl"

STARTED, ENDED = "started", "ended"

RunState = Literal["running", "finished", "interrupted", "failed"]


def record_start(folder: Path, step: int, values: Mapping[str, Any]) -> None:
    """Record a start of training with the time, the command, the versions and the machine.

    Args:
        folder: Run directory.
        step: Optimizer steps taken before.
        values: Further values, such as the corpus and the number of parameters.

    Raises:
        RunError: If the file cannot be written.
    """
    history = MetricsLog(folder / HISTORY)
    history.drop_partial_line()
    history.append(STARTED, step, {"time": _now(), **values, **_describe_process()})


def record_end(folder: Path, step: int, reason: str, *, complete: bool, seconds: float) -> None:
    """Record an end of training: complete, interrupted or failed.

    If the file cannot be written, nothing is raised, since an error may have ended the training.
    """
    values = {"time": _now(), "reason": reason, "complete": complete, "seconds": seconds}
    with contextlib.suppress(RunError):
        MetricsLog(folder / HISTORY).append(ENDED, step, values)


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
    if _is_locked(folder / ".lock"):
        return "running", ""
    history = read_history(folder)
    if not history or history[-1]["event"] != ENDED:
        return "interrupted", "the process was killed"
    reason = str(history[-1].get("reason", ""))
    if history[-1].get("complete") is True:
        return "finished", reason
    return ("interrupted" if reason.startswith("interrupted") else "failed"), reason


def _is_locked(path: Path) -> bool:
    """Return whether a process holds the lock of a run. A shared lock is taken for a moment, and no file is written."""
    try:
        with open_regular(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # There is no lock file, or the file system has no locks.
        return False
    return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _describe_process() -> dict[str, Any]:
    import torch  # not needed to read a history

    return {
        "command": _command(),
        "seqforge": version("seqforge-core"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor_name(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _command() -> str:
    """Return the command line of this process, as it can be entered again, without passwords."""
    path = Path(sys.argv[0] if sys.argv else "")
    program = ["python", "-m", path.parent.name] if path.name == "__main__.py" else [path.name or "python"]
    return shlex.join([*program, *map(hide_password, sys.argv[1:])])


def hide_password(text: str) -> str:
    """Replace the password in a URL, such as that of a database, by an ellipsis. Other people read runs and reports."""
    return re.sub(r"(?<=://)([^\s/:@]*):[^\s/@]+@", r"\1:…@", text)


def _processor_name() -> str:
    """Return the name of the processor, or of its architecture if the system does not state one."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    names = [
        value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip() == "model name"
    ]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count() or 1} cores"

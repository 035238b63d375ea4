"""Processes of the command `seqforge` that are killed: at a moment, or before one of their operations on files.

A process is a fork of one that has imported seqforge, and runs the command in its own folder. It shares nothing with
the others but the code.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OUTPUT, COUNT = "output.txt", "operations.txt"
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Kill:
    """The moment at which a process is killed, or the signals that it receives.

    Attributes:
        before_operation: Number of the operation on files before which it is killed by SIGKILL, from 1; or 0.
        signals: Signals that it receives, in order.
        seconds: Seconds from the start of the process, or from the signal before, to each signal.
    """

    before_operation: int = 0
    signals: tuple[signal.Signals, ...] = ()
    seconds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Ended:
    """The end of a process.

    Attributes:
        status: Exit status, or minus the signal that killed it.
        output: What it printed.
        operations: Number of operations on files; 0 if it was killed.
        seconds: Its duration.
    """

    status: int
    output: str
    operations: int
    seconds: float


def run_command(arguments: Sequence[str], folder: Path, kill: Kill | None = None) -> Ended:
    """Run `seqforge` with arguments in a folder, and kill it."""
    kill = kill or Kill()
    (folder / COUNT).unlink(missing_ok=True)
    started = time.monotonic()
    process = os.fork()
    if process == 0:
        _run_child(arguments, folder, kill.before_operation)
    for number, seconds in zip(kill.signals, kill.seconds, strict=True):
        time.sleep(seconds)
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            os.kill(process, number)
    _, status = os.waitpid(process, 0)
    count = folder / COUNT
    return Ended(
        os.waitstatus_to_exitcode(status),
        (folder / OUTPUT).read_text(errors="replace") if (folder / OUTPUT).exists() else "",
        int(count.read_text()) if count.exists() else 0,
        time.monotonic() - started,
    )


def _run_child(arguments: Sequence[str], folder: Path, before_operation: int) -> None:
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.chdir(folder)
        os.environ["SEQFORGE_CACHE"] = str(folder / "cache")
        output = os.open(OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.argv = ["seqforge", *arguments]
        counter = _count_operations(folder, before_operation)
        from seqforge.cli import main

        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            main()
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
        operations = counter[0]
        Path(COUNT).write_text(str(operations))
    except BaseException as error:  # noqa: BLE001 - the process ends here
        if isinstance(error.__context__, SystemExit):  # A second Ctrl-C arrived after the end of the command.
            status = 130
        else:
            traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _count_operations(folder: Path, before_operation: int) -> list[int]:
    """Count operations that change the folder, and kill this process before one of them."""
    counter, inside = [0], str(folder)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not (isinstance(flags, int) and flags & WRITING):
                return
        elif event in CHANGES:
            path = arguments[0]
        else:
            return
        if isinstance(path, int) or (Path(path).is_absolute() and not os.fspath(path).startswith(inside)):
            return
        counter[0] += 1
        if counter[0] == before_operation:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return counter

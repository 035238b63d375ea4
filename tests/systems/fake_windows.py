"""A plugin of pytest that shows Windows to seqforge and its plugins: `pytest -p tests.systems.fake_windows`.

They get modules without what Windows lacks, and with its rules about folders and open files; see `simulation`.
"""

import ctypes
import errno
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import filelock

from tests.systems.simulation import FakeModule, simulate

MISSING = {
    "os": re.compile(
        r"O_(NONBLOCK|NOFOLLOW|DIRECTORY|CLOEXEC|SYNC|DSYNC|NOCTTY|ASYNC|PATH|TMPFILE)|fork|forkpty|register_at_fork"
        r"|get(e?[ug]id|groups|loadavg|pgid|pgrp|priority|sid|res[ug]id)|set(s?id|pgid|priority|e?[ug]id)|kill(pg)?|nice"
        r"|l?chown|fchown|fchmod|mkfifo|mknod|sched_.*|posix_.*|p(read|write)v?|readv|writev|sendfile|splice|sync"
        r"|fdatasync|f?statvfs|sysconf|confstr|f?pathconf|wait(id|3|4)?|fwalk|memfd_create|eventfd.*|openpty|ttyname"
        r"|uname|pidfd_open|copy_file_range|[gsl]etxattr|listxattr|removexattr|WNOHANG|WIF.*|W.*STATUS"
    ),
    "signal": re.compile(
        r"SIG(HUP|KILL|QUIT|ALRM|USR[12]|PIPE|STOP|TSTP|CONT|CHLD|BUS|TRAP|X.*)|pthread_.*|alarm|setitimer"
        r"|sig(pending|wait.*|timedwait)"
    ),
}
"""What Windows lacks."""

ABSENT = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog", "curses", "readline")
"""Modules that Windows lacks."""


def _opened() -> Iterator[str]:
    """Yield the files that this process has open or mapped."""
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            yield str(descriptor.readlink())
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        yield line.split(maxsplit=5)[-1]


def _refuse_open(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of `os` that deletes or renames, as it is on Windows, which does neither to an open file."""

    def call(path: Any, *arguments: Any, **options: Any) -> Any:
        whole, target = Path(path).absolute(), str(Path(path).resolve())
        if not whole.is_symlink() and any(file == target or file.startswith(f"{target}/") for file in _opened()):
            raise PermissionError(errno.EACCES, "The process cannot access the file: it is being used", str(path))
        return function(path, *arguments, **options)

    return call


def _open(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
    if Path(path).is_dir():
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    return os.open(path, flags, *arguments, **options)


def _fsync(descriptor: int) -> None:
    if "flags:\t0100000\n" in Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="utf-8"):
        raise OSError(errno.EBADF, "Bad file descriptor")  # It is read-only.
    os.fsync(descriptor)


class _Kernel:
    """The functions of kernel32.dll that ask whether a process exists. A handle is its number."""

    def OpenProcess(self, access: int, inherit: bool, number: int) -> int:  # noqa: N802
        return number if Path(f"/proc/{number}").is_dir() else 0

    def WaitForSingleObject(self, handle: int, milliseconds: int) -> int:  # noqa: N802
        return 0 if milliseconds else 258  # A process that is waited for ends.

    def CloseHandle(self, handle: int) -> None:  # noqa: N802
        pass


class FileLock(filelock.FileLock):
    """A lock of filelock, which deletes its file on Windows when it is released."""

    def release(self, force: bool = False) -> None:
        was_held = self.is_locked
        super().release(force)
        if was_held and not self.is_locked:
            Path(self.lock_file).unlink(missing_ok=True)


FAKES = {
    "sys": FakeModule(sys, "Windows", platform="win32"),
    "os": FakeModule(os, "Windows", MISSING["os"], open=_open, fsync=_fsync, name="nt"),
    "signal": FakeModule(signal, "Windows", MISSING["signal"], SIGBREAK=signal.SIGUSR2),
    "ctypes": FakeModule(ctypes, "Windows", WinDLL=lambda name, **_: _Kernel(), get_last_error=lambda: 87),
    "filelock": SimpleNamespace(FileLock=FileLock, Timeout=filelock.Timeout),
}

simulate("Windows", FAKES, ABSENT)
for _name in ("rename", "replace", "unlink", "remove", "rmdir"):
    setattr(os, _name, _refuse_open(getattr(os, _name)))
shutil._use_fd_functions = False

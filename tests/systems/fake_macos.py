"""A plugin of pytest that shows macOS to seqforge and its plugins: `pytest -p tests.systems.fake_macos`.

They get modules without what only Linux has, and no process finds files in `/proc` and `/sys`; see `simulation`.
"""

import ctypes
import errno
import mmap
import multiprocessing
import os
import platform
import re
import signal
import sys
from types import SimpleNamespace
from typing import Any

from tests.systems.simulation import FakeModule, simulate

MISSING = {
    "os": re.compile(
        r"O_(TMPFILE|PATH|DIRECT|LARGEFILE|NOATIME|RSYNC)|sched_[gs]et(affinity|param|scheduler)|sched_rr_get_interval"
        r"|posix_(fadvise|fallocate)|POSIX_FADV_.*|memfd_create|MFD_.*|eventfd.*|EFD_.*|timerfd.*|copy_file_range|splice"
        r"|SPLICE_.*|[gsl]etxattr|listxattr|removexattr|XATTR_.*|[gs]etres[ug]id|pidfd_open|P_PIDFD|getrandom|GRND_.*"
        r"|fdatasync|unshare|setns|CLONE_.*|pipe2|waitid|waitid_result"
    ),
    "signal": re.compile(r"SIG(PWR|STKFLT|POLL|CLD|RTMIN|RTMAX)|sig(waitinfo|timedwait)|pidfd_send_signal"),
    "mmap": re.compile(
        r"MADV_((NO)?HUGEPAGE|.*FORK|MERGEABLE|UNMERGEABLE|REMOVE|HWPOISON|.*DUMP)|MAP_(POPULATE|STACK)"
    ),
}
"""What only Linux has."""


def _get_context(method: str | None = None) -> Any:
    """Return how processes start. A fork may crash there, since the libraries of the system use threads."""
    assert method != "fork", "a fork is not safe on macOS"
    return multiprocessing.get_context(method or "spawn")


def _load_library(name: Any = None, *arguments: Any, **options: Any) -> Any:
    """Load a library. The library of C has other functions, and system calls have other numbers."""
    return ctypes.CDLL(name, *arguments, **options) if name else SimpleNamespace()


def _hide(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith(("/proc/", "/sys/")):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(arguments[0]))


FAKES = {
    "sys": FakeModule(sys, "macOS", platform="darwin"),
    "os": FakeModule(os, "macOS", MISSING["os"]),
    "signal": FakeModule(signal, "macOS", MISSING["signal"]),
    "mmap": FakeModule(mmap, "macOS", MISSING["mmap"]),
    "platform": FakeModule(
        platform, "macOS", system=lambda: "Darwin", machine=lambda: "arm64", processor=lambda: "arm"
    ),
    "multiprocessing": FakeModule(multiprocessing, "macOS", get_context=_get_context),
    "ctypes": FakeModule(ctypes, "macOS", CDLL=_load_library),
}

simulate("macOS", FAKES, ("spwd", "ossaudiodev", "msvcrt", "winreg"))
sys.addaudithook(_hide)

"""Ctrl-C, and a polite kill, between two steps rather than inside one."""

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

# Ctrl-C, a polite kill, and a terminal that is gone; the last is not known to every system.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_NOTICE = (
    b"\nStopping after this step, and the evaluation or sample that it may bring. "
    b"Ctrl-C again stops at once, and loses what came after the last checkpoint.\n"
)


class InterruptGuard:
    """While entered, SIGINT, SIGTERM and SIGHUP are only noted; a SIGINT after one interrupts at once.

    In any thread but the main one, where Python allows no signal handlers, it notes nothing.

    Attributes:
        requested: Whether a signal has come.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "InterruptGuard":
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                previous = signal.getsignal(number)
                # A shell's background job ignores Ctrl-C, and None is a handler that Python did not set.
                if previous not in (None, signal.SIG_IGN):
                    self._previous[number] = previous
                    signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.requested:
            self.requested = True
            with contextlib.suppress(OSError):
                os.write(2, _NOTICE)

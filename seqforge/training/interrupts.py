"""Handling of Ctrl-C and other requests to stop, between two steps."""

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

# Ctrl-C, `kill`, and a closed terminal. Not every system has the last signal.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_NOTICE = (
    b"\nStopping after this step, and its evaluation or sample if one is due. "
    b"Ctrl-C again stops at once and loses every step after the last checkpoint.\n"
)


class InterruptGuard:
    """A context in which SIGINT, SIGTERM and SIGHUP set a flag. A second SIGINT raises KeyboardInterrupt.

    Python allows signal handlers in the main thread only, so the context has no effect in another thread.

    Attributes:
        requested: Whether a signal was received.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "InterruptGuard":
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                previous = signal.getsignal(number)
                # A shell makes background jobs ignore Ctrl-C. None stands for a handler that Python did not install.
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

"""Ctrl-C, and a polite kill, between two steps rather than inside one."""

import signal
import threading
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptGuard:
    """While entered, the first SIGINT or SIGTERM is only noted; the second SIGINT interrupts at once.

    In any thread but the main one, where Python allows no signal handlers, it notes nothing.

    Attributes:
        requested: Whether a signal has come.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, signal.Handlers] = {}

    def __enter__(self) -> "InterruptGuard":
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._previous[number] = signal.signal(number, self._note)  # pyright: ignore[reportArgumentType]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
